/** @file The instruments of a key's exchange: browsed, searched, and added as trading assets. */

import { html, useEffect, useState } from "../../kit/html.js";
import { post } from "../../kit/api.js";
import { ago, decimal, now, short, time } from "../../kit/format.js";
import { useListing } from "../../kit/listing.js";
import { done, failed } from "../../parts/notice.js";
import { Empty, Failure } from "../../parts/states.js";
import { Table } from "../../parts/table.js";

/** @typedef {import("../../../types/api").Instrument} Instrument */
/** @typedef {import("../../../types/api").ExchangeOffer} ExchangeOffer */

const TYPED_MILLISECONDS = 250;
/** The leverage of a new asset: the most careful one. */
const FIRST_LEVERAGE = "1";

const FAILURES = /** @type {Record<string, string>} */ ({
  no_endpoint: "The exchange has no such site.",
  no_answer: "The exchange did not answer.",
  rate_limited: "The exchange asked for fewer calls.",
  refused: "The exchange refused the call.",
  address_refused: "The exchange refused the address of this service.",
  bad_answer: "The answer of the exchange made no sense.",
});

/**
 * @param {{ keyId: string, offer: ExchangeOffer | undefined, onAdded: () => Promise<void> }} props
 */
export function Instruments({ keyId, offer, onAdded }) {
  const [text, setText] = useState("");
  const [search, setSearch] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => setSearch(text.trim()), TYPED_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [text]);
  const list = useListing(`/v1/keys/${keyId}/instruments`, { search });
  const [adding, setAdding] = useState("");
  const add = async (/** @type {Instrument} */ instrument) => {
    setAdding(instrument.symbol);
    const mode = instrument.margin_modes.includes("cross") ? "cross" : instrument.margin_modes[0];
    const leverage = offer?.leverage_margin_modes.some((one) => one === mode) ? { leverage: FIRST_LEVERAGE } : {};
    try {
      await post(`/v1/keys/${keyId}/assets`, { symbol: instrument.symbol, ...leverage });
      done(`${instrument.symbol} was added.`);
      await Promise.all([onAdded(), list.reload()]);
    } catch (error) {
      failed(error);
    }
    setAdding("");
  };
  /** @type {import("../../parts/table.js").Column<Instrument>[]} */
  const columns = [
    { name: "symbol", title: "Symbol", rank: 1, width: "minmax(0, 1.4fr)", cell: ({ symbol }) => html`<strong>${symbol}</strong>` },
    { name: "pair", title: "Pair", cell: ({ base, quote }) => `${base}/${quote}` },
    { name: "price", title: "Price", end: true, rank: 2, cell: ({ price, quote }) => `${decimal(price)} ${quote}` },
    { name: "volume", title: "Volume, 24 h", end: true, rank: 2, cell: ({ volume_24h }) => html`<span title=${decimal(volume_24h)}>${short(volume_24h)}</span>` },
    { name: "leverage", title: "Max. leverage", end: true, cell: ({ max_leverage }) => (max_leverage === null ? "unknown" : `${max_leverage}×`) },
    { name: "modes", title: "Margin modes", cell: ({ margin_modes }) => margin_modes.join(", ") },
    {
      name: "add",
      title: "",
      rank: 1,
      width: "88px",
      end: true,
      cell: (instrument) =>
        instrument.added
          ? html`<span class="badge good">added</span>`
          : html`<button type="button" class="small" aria-label="Add ${instrument.symbol}" disabled=${adding !== ""}
              onClick=${() => add(instrument)}>Add</button>`,
    },
  ];
  return html`
    <div class="filters">
      <input type="search" aria-label="Search instruments by symbol" placeholder="Search by symbol, for example BTC" maxlength="100"
        value=${text} onInput=${(/** @type {any} */ event) => setText(event.target.value)} />
      <${Freshness} keyId=${keyId} page=${list.first} onRefreshed=${() => Promise.all([list.reload(), onAdded()])} />
    </div>
    ${list.problem && html`<${Failure} problem=${list.problem} retry=${list.reload} stale=${list.loaded} />`}
    ${!list.loaded && !list.problem && html`<p class="loading" role="status">Reading the instruments…</p>`}
    ${list.loaded && list.items.length === 0 && html`<${Empty} title=${search ? "No instrument matches" : "No instruments are known yet"}>
      <p>${search ? "Search for a part of the symbol, such as BTC." : "Refresh to ask the exchange for its instruments."}</p><//>`}
    ${list.items.length > 0 && html`<${Table} label="Instruments" columns=${columns} items=${list.items}
      keyOf=${(/** @type {Instrument} */ one) => one.symbol} more=${list.more} complete=${list.complete} />`}
  `;
}

/**
 * When prices and volumes were fetched, and a button to fetch them now.
 *
 * @param {{ keyId: string, page: any, onRefreshed: () => Promise<unknown> }} props
 */
export function Freshness({ keyId, page, onRefreshed }) {
  const [busy, setBusy] = useState(false);
  const refresh = async () => {
    setBusy(true);
    await post(`/v1/keys/${keyId}/instruments/refresh`).then(onRefreshed, failed);
    setBusy(false);
  };
  return html`<p class="freshness">
    <span class=${page?.stale ? "old" : "faint"}>
      ${page?.fetched_at
        ? html`Prices and volumes of <time datetime=${page.fetched_at} title=${time(page.fetched_at)}>${time(page.fetched_at)}</time>, ${ago(page.fetched_at, Math.max(now.value, Date.parse(page.fetched_at)))}.`
        : "Prices were never fetched."}
      ${page?.reason && ` ${FAILURES[page.reason] ?? ""}`}
    </span>
    <button type="button" class="small" disabled=${busy} aria-busy=${busy} onClick=${refresh}>Refresh</button>
  </p>`;
}

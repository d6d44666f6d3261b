/** @file All bots of the account: who is online, with which key, and why one may not trade. */

import { useExchanges } from "../kit/exchanges.js";
import { ago, time } from "../kit/format.js";
import { html, useState } from "../kit/html.js";
import { useListing } from "../kit/listing.js";
import { go, route, setQuery } from "../kit/router.js";
import { hasTestnet, may } from "../kit/session.js";
import { ReasonBadges } from "../parts/reasons.js";
import { Search } from "../parts/search.js";
import { Empty, Failure } from "../parts/states.js";
import { Table } from "../parts/table.js";
import { AddBot } from "./bots/name.js";
import { KeyOf } from "./bots/key.js";

/** @typedef {import("../../types/api").Bot} Bot */

/** What the filter "Show" offers, and the parameters that it stands for. */
const STATES = /** @type {Record<string, { title: string, query: Record<string, boolean> }>} */ ({
  online: { title: "Online", query: { online: true } },
  offline: { title: "Offline", query: { online: false } },
  blocked: { title: "May not open positions", query: { blocked: true } },
  free: { title: "May open positions", query: { blocked: false } },
  paused: { title: "Paused", query: { paused: true } },
  keyless: { title: "Without an API key", query: { assigned: false } },
});

/** @type {import("../parts/table.js").Column<Bot>[]} */
const COLUMNS = [
  {
    name: "name",
    title: "Name",
    rank: 1,
    sort: "name",
    width: "minmax(130px, 1fr)",
    cell: (bot) => html`<a href="/bots/${bot.id}" dir="auto">${bot.name}</a>`,
  },
  {
    name: "presence",
    title: "Presence",
    rank: 1,
    width: "165px",
    cell: (bot) => html`<span class="badge ${bot.online ? "good" : "plain"}">${bot.online ? "online" : "offline"}</span>
      ${!bot.online && html` <span class="faint heard" title=${bot.last_heartbeat_at && time(bot.last_heartbeat_at)}>
        ${bot.last_heartbeat_at ? ago(bot.last_heartbeat_at) : "never online"}</span>`}`,
  },
  {
    name: "key",
    title: "API key",
    rank: 2,
    width: "minmax(230px, 1.6fr)",
    cell: (bot) => (bot.key ? html`<${KeyOf} assigned=${bot.key} />` : html`<span class="faint">No key</span>`),
  },
  {
    name: "positions",
    title: "Open positions",
    width: "120px",
    end: true,
    cell: (bot) => bot.open_positions.toLocaleString("en"),
  },
  {
    name: "trading",
    title: "New positions",
    rank: 2,
    width: "minmax(140px, 1fr)",
    cell: (bot) => html`<${ReasonBadges} codes=${bot.blocked_by} />`,
  },
  { name: "added", title: "Added", sort: "created_at", width: "95px", cell: (bot) => html`<span title=${time(bot.created_at)}>${ago(bot.created_at)}</span>` },
];

export function View() {
  useExchanges();
  const { query } = route.value;
  const [adding, setAdding] = useState(false);
  const list = useListing(
    "/v1/bots",
    { search: query.search, environment: query.environment, sort: query.sort, ...STATES[query.show ?? ""]?.query },
    (event) => /^(bot|assignment|freeze|key|asset|position)\./.test(event.type) && event.type !== "bot.token_minted",
  );
  const filtered = Boolean(query.search || query.environment || query.show);
  const add = may("bots:write") && html`<button type="button" class="primary" onClick=${() => setAdding(true)}>Add bot</button>`;
  return html`
    <header class="title"><h1>Bots</h1>${add}</header>
    <${Filters} query=${query} />
    ${list.problem && html`<${Failure} problem=${list.problem} retry=${list.reload} stale=${list.loaded} />`}
    ${list.loaded && list.items.length === 0
      ? filtered
        ? html`<${Empty} title="No bot matches"><button type="button"
            onClick=${() => go("/bots")}>Show all bots</button><//>`
        : html`<${Empty} title="No bots yet">
            <p>A bot is a program of yours that trades. Add it here, assign an API key to it, and start it with
            a token of its own.</p>${add}<//>`
      : html`<${Table} label="Bots" columns=${COLUMNS} items=${list.items} keyOf=${(/** @type {Bot} */ bot) => bot.id}
          more=${list.more} complete=${list.complete} sort=${query.sort ?? ""}
          onSort=${(/** @type {string} */ sort) => setQuery({ sort })} />`}
    ${adding && html`<${AddBot} onClose=${() => setAdding(false)} />`}
  `;
}

/** @param {{ query: Record<string, string> }} props */
const Filters = ({ query }) => html`<div class="filters" role="search">
  <${Search} label="Search" value=${query.search ?? ""}
    onSearch=${(/** @type {string} */ search) => setQuery({ search })} />
  <label>Show
    <select value=${query.show ?? ""} onChange=${(/** @type {any} */ event) => setQuery({ show: event.target.value })}>
      <option value="">All bots</option>
      ${Object.entries(STATES).map(([name, { title }]) => html`<option value=${name}>${title}</option>`)}
    </select>
  </label>
  ${hasTestnet.value && html`<label>Key
    <select value=${query.environment ?? ""}
      onChange=${(/** @type {any} */ event) => setQuery({ environment: event.target.value })}>
      <option value="">Live and testnet</option>
      <option value="live">Live</option>
      <option value="testnet">Testnet</option>
    </select>
  </label>`}
</div>`;

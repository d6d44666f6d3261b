/** @file The Trades page: completed round trips, to filter, export and import. */

import { html, useState } from "../kit/html.js";
import { useDirectory } from "../kit/directory.js";
import { decimal, time } from "../kit/format.js";
import { useListing } from "../kit/listing.js";
import { periodOf } from "../kit/period.js";
import { useRefresh } from "../kit/refresh.js";
import { route } from "../kit/router.js";
import { environment, may, timeZone } from "../kit/session.js";
import { Amount, Profit } from "../parts/amount.js";
import { EnvironmentBadge } from "../parts/badges.js";
import { BotFilter, ClearFilters, clearFilters, isFiltered, KeyFilter, PeriodFilter, SymbolFilter, ZoneNote } from "../parts/data_filters.js";
import { Export } from "../parts/export.js";
import { FactsDialog, When } from "../parts/facts.js";
import { ImportDialog } from "../parts/import_trades.js";
import { BotName, Instrument, KeyName, Origin } from "../parts/origin.js";
import { Empty, Failure } from "../parts/states.js";
import { Table } from "../parts/table.js";

/** @typedef {import("../../types/api").Trade} Trade */
/** @typedef {import("../kit/directory.js").Directory} Directory */

/** What tells trades apart: an id is unique for its bot. */
const keyOf = (/** @type {Trade} */ trade) => `${trade.bot?.id ?? ""} ${trade.key.id} ${trade.id}`;

/**
 * @param {Directory} directory
 * @param {(trade: Trade) => void} open
 * @returns {import("../parts/table.js").Column<Trade>[]}
 */
const columnsOf = (directory, open) => [
  {
    name: "closed",
    title: "Closed",
    rank: 2,
    width: "104px",
    cell: (trade) => html`<${When} at=${trade.closed_at} />`,
  },
  {
    name: "symbol",
    title: "Symbol",
    rank: 1,
    width: "minmax(0, 1.6fr)",
    cell: (trade) => html`<${Instrument} row=${trade} onOpen=${() => open(trade)} />`,
  },
  { name: "quantity", title: "Quantity", end: true, cell: (trade) => html`<${Amount} value=${trade.quantity} />` },
  {
    name: "prices",
    title: "Entry, exit",
    end: true,
    cell: (trade) => html`<span class="stack"><${Amount} value=${trade.entry_price} /><${Amount} value=${trade.exit_price} /></span>`,
  },
  {
    name: "pnl",
    title: "P&L",
    end: true,
    rank: 1,
    width: "minmax(0, 1.2fr)",
    cell: (trade) =>
      trade.pnl === null
        ? html`<span class="faint" title="The contract is not known, so that no P&L can be computed.">unknown</span>`
        : html`<${Profit} value=${trade.pnl} asset=${trade.settle} />`,
  },
  { name: "fees", title: "Fees", end: true, width: "minmax(0, 1.2fr)", cell: (trade) => html`<${Fees} trade=${trade} />` },
  { name: "origin", title: "Key, bot", rank: 2, width: "minmax(0, 1.3fr)", cell: (trade) => html`<${Origin} row=${trade} directory=${directory} />` },
];

/** @param {{ trade: Trade }} props */
const Fees = ({ trade }) => html`<span class="stack">
  <${Amount} value=${trade.fees} asset=${trade.settle} />
  ${trade.other_fees.length > 0 &&
  html`<span class="faint" title=${otherFees(trade)}>+ ${otherFees(trade)}</span>`}
</span>`;

/** @param {Trade} trade */
const otherFees = (trade) => trade.other_fees.map((fee) => `${decimal(fee.amount)} ${fee.asset}`).join(", ");

export function View() {
  const { query } = route.value;
  const directory = useDirectory();
  const [shown, setShown] = useState(/** @type {Trade | null} */ (null));
  const [importing, setImporting] = useState(false);
  const period = periodOf(query, timeZone.value, "all");
  const wanted = {
    environment: environment.value,
    key_id: query.key_id,
    bot_id: query.bot_id,
    symbol: query.symbol,
    from: period.from,
    to: period.to,
  };
  const list = useListing("/v1/trades", wanted, (event) => /^(position\.closed|operation\.|key\.deleted)/.test(event.type));
  useRefresh(list.reload);
  const items = /** @type {Trade[]} */ (list.items);
  return html`
    <header class="title">
      <h1>Trades</h1>
      ${may("data:write") && html`<button type="button" onClick=${() => setImporting(true)}>Import trades</button>`}
      <${Export} path="/v1/trades" query=${wanted} name="trades-${environment.value}" disabled=${list.loaded && items.length === 0} />
    </header>
    <div class="filters" role="group" aria-label="Filters">
      <${KeyFilter} directory=${directory} environment=${environment.value} />
      <${BotFilter} directory=${directory} imported=${true} />
      <${SymbolFilter} />
      <${PeriodFilter} period=${period} usual="all" />
      <${ClearFilters} />
    </div>
    <${ZoneNote} />
    ${list.problem && html`<${Failure} problem=${list.problem} retry=${list.reload} stale=${list.loaded} />`}
    ${!list.loaded && !list.problem && html`<p class="loading" role="status">Reading trades…</p>`}
    ${list.loaded && items.length === 0 && html`<${NoTrades} onImport=${() => setImporting(true)} />`}
    ${items.length > 0 &&
    html`<${Table} label="Trades" columns=${columnsOf(directory, setShown)} items=${items} keyOf=${keyOf}
      more=${list.more} complete=${list.complete} />`}
    ${shown && html`<${TradeDialog} trade=${shown} directory=${directory} onClose=${() => setShown(null)} />`}
    ${importing && html`<${ImportDialog} directory=${directory} onClose=${() => setImporting(false)} onDone=${list.reload} />`}
  `;
}

/** @param {{ onImport: () => void }} props */
function NoTrades({ onImport }) {
  if (isFiltered()) {
    return html`<${Empty} title="No trade matches these filters">
      <p><button type="button" onClick=${clearFilters}>Clear filters</button></p>
    <//>`;
  }
  return html`<${Empty} title="No ${environment.value} trades yet">
    <p>Assign an API key to a <a href="/bots">bot</a> and run it: each trade appears here when it closes.</p>
    ${may("data:write") &&
    html`<p>You have traded before? <button type="button" class="small" onClick=${onImport}>Import trades from a file</button></p>`}
  <//>`;
}

/** @param {{ trade: Trade, directory: Directory, onClose: () => void }} props */
function TradeDialog({ trade, directory, onClose }) {
  const facts = /** @type {import("../parts/facts.js").Fact[]} */ ([
    ["Environment", trade.environment === "testnet" ? html`<${EnvironmentBadge} environment="testnet" />` : "Live"],
    ["Exchange", trade.exchange],
    ["Side", trade.side],
    ["Quantity", trade.quantity && decimal(trade.quantity)],
    ["Entry price", trade.entry_price && decimal(trade.entry_price)],
    ["Exit price", trade.exit_price && decimal(trade.exit_price)],
    ["P&L, net of fees", trade.pnl === null ? "Unknown, since the contract is not known" : html`<${Profit} value=${trade.pnl} asset=${trade.settle} />`],
    ["Fees", `${decimal(trade.fees)} ${trade.settle ?? ""}`],
    ["Fees in other assets", otherFees(trade) && `${otherFees(trade)} (no part of the P&L)`],
    ["Opened", trade.opened_at && time(trade.opened_at)],
    ["Closed", time(trade.closed_at)],
    ["Exit reason", trade.exit_reason && html`<bdi>${trade.exit_reason}</bdi>`],
    ["Contract type", trade.contract_type],
    ["Contract size", trade.contract_size && decimal(trade.contract_size)],
    ["Leverage", trade.leverage && `${decimal(trade.leverage)}×`],
    ["Margin mode", trade.margin_mode],
    ["Key", html`<${KeyName} source=${trade.key} directory=${directory} />`],
    ["Bot", html`<${BotName} bot=${trade.bot} directory=${directory} />`],
    ["Position", trade.position_id && html`<code>${trade.position_id}</code>`],
    ["Imported by", trade.import_id && html`operation <code>${trade.import_id}</code>`],
    ["Trade", html`<code>${trade.id}</code>`],
    ["Stored", time(trade.stored_at)],
  ]);
  return html`<${FactsDialog} title="Trade of ${trade.symbol}" facts=${facts} onClose=${onClose} />`;
}

/** @file The Analytics page: figures, curves and results by key, bot, symbol and period. */

import { html, useMemo } from "../kit/html.js";
import { get } from "../kit/api.js";
import { NO_BOT, useDirectory } from "../kit/directory.js";
import { counted, day } from "../kit/format.js";
import { useListing } from "../kit/listing.js";
import { periodOf } from "../kit/period.js";
import { useRefresh } from "../kit/refresh.js";
import { useResource } from "../kit/resource.js";
import { route, setQuery } from "../kit/router.js";
import { account, environment, timeZone } from "../kit/session.js";
import { Amount, Profit } from "../parts/amount.js";
import { Curves, useCharts } from "../parts/curves.js";
import { BotFilter, ClearFilters, clearFilters, isFiltered, KeyFilter, PeriodFilter, SymbolFilter, ZoneNote } from "../parts/data_filters.js";
import { BotName, KeyName } from "../parts/origin.js";
import { Empty, Failure, Loaded } from "../parts/states.js";
import { SymbolCurves } from "../parts/symbol_curves.js";
import { Table } from "../parts/table.js";
import { Meanings, Totals } from "../parts/totals.js";

/** @typedef {import("../../types/api").Summary} Summary */
/** @typedef {import("../../types/api").SummaryFigures} SummaryFigures */
/** @typedef {import("../kit/directory.js").Directory} Directory */

const USUAL_PERIOD = "30d";
const GROUPS = /** @type {const} */ ([
  ["key", "Key"],
  ["bot", "Bot"],
  ["symbol", "Symbol"],
  ["day", "Day"],
  ["week", "Week"],
  ["month", "Month"],
]);
const OF_TIME = ["day", "week", "month"];
const changes = (/** @type {import("../kit/live.js").AccountEvent} */ event) =>
  event.type === "position.closed" || event.type.startsWith("operation.") || event.type === "key.deleted";

export function View() {
  const { query } = route.value;
  const directory = useDirectory();
  const period = periodOf(query, timeZone.value, USUAL_PERIOD);
  const group = GROUPS.find(([name]) => name === query.by)?.[0] ?? "key";
  const wanted = {
    environment: environment.value,
    key_id: query.key_id,
    bot_id: query.bot_id,
    from: period.from,
    to: period.to,
  };
  const ofSymbol = { ...wanted, symbol: query.symbol };
  const summary = useResource(
    `summary ${JSON.stringify(ofSymbol)}`,
    (stop) => get("/v1/analytics/summary", ofSymbol, stop),
    changes,
  );
  useRefresh(summary.reload);
  return html`
    <header class="title"><h1>Analytics</h1></header>
    <div class="filters" role="group" aria-label="Filters">
      <${PeriodFilter} period=${period} usual=${USUAL_PERIOD} />
      <${KeyFilter} directory=${directory} environment=${environment.value} />
      <${BotFilter} directory=${directory} />
      <${SymbolFilter} />
      <${ClearFilters} />
    </div>
    <${ZoneNote} />
    <${Loaded} resource=${summary} what="the figures">
      ${(/** @type {Summary} */ data) => html`
        ${data.trades_without_pnl > 0 &&
        html`<p class="warning box"><span>${counted(data.trades_without_pnl, "trade")} without P&L, since the contract is not known: in no figure here.${" "}
          <a href="/trades">See trades</a></span></p>`}
        ${data.items.length === 0
          ? html`<${NoTrades} period=${period} />`
          : html`${data.items.map((figures) => html`<${Totals} key=${figures.settle} figures=${figures} />`)}<${Meanings} />`}
      `}
    <//>
    <${Lines} directory=${directory} wanted=${wanted} group=${group} symbol=${query.symbol} />
    <div class="tabs" role="group" aria-label="Results by">
      <h2>Results by</h2>
      ${GROUPS.map(
        ([name, title]) => html`<button type="button" class="small" aria-pressed=${group === name} onClick=${() => setQuery({ by: name })}>${title}</button>`,
      )}
    </div>
    <${Groups} key=${group} group=${group} query=${ofSymbol} directory=${directory} />
  `;
}

/** @param {{ period: import("../kit/period.js").Period }} props */
function NoTrades({ period }) {
  if (isFiltered()) {
    return html`<${Empty} title="No trade closed in this selection"><p><button type="button" onClick=${clearFilters}>Clear filters</button></p><//>`;
  }
  return html`<${Empty} title="No trade closed since ${period.from ? day(period.from) : "the start"}">
    <p><button type="button" onClick=${() => setQuery({ period: "all" })}>Show all time</button></p>
    <p>Figures appear when a <a href="/bots">bot</a> closes trades, or when you import <a href="/trades">trades</a>.</p>
  <//>`;
}

/**
 * The curves: of each key, or of each bot where results are shown by bot.
 *
 * @param {{ directory: Directory, wanted: Record<string, any>, group: string, symbol: string | undefined }} props
 */
function Lines({ directory, wanted, group, symbol }) {
  const counts = new Map(account.value?.data.map(({ key, counts: rows }) => [key.id, rows.equity_snapshots + rows.trades]));
  const keys = [...directory.keys.values()]
    .filter((key) => key.environment === wanted.environment && (!wanted.key_id || key.id === wanted.key_id))
    .sort((one, other) => (counts.get(other.id) ?? 0) - (counts.get(one.id) ?? 0));
  const bots = [...directory.bots.values()]
    .filter((bot) => !wanted.bot_id || bot.id === wanted.bot_id)
    .map((bot) => ({ id: bot.id, label: bot.name }));
  if (!directory.loaded) return null;
  if (symbol) return html`<${SymbolCurves} query=${wanted} symbol=${symbol} />`;
  if (wanted.bot_id === NO_BOT) return null;
  return group === "bot"
    ? html`<${Curves} by="bot_id" sources=${bots} query=${wanted} />`
    : html`<${Curves} by="key_id" sources=${keys} query=${wanted} />`;
}

/** @param {{ group: string, query: Record<string, any>, directory: Directory }} props */
function Groups({ group, query, directory }) {
  const list = useListing("/v1/analytics/summary", { ...query, group_by: group }, changes);
  const items = /** @type {SummaryFigures[]} */ (list.items);
  return html`
    ${list.problem && html`<${Failure} problem=${list.problem} retry=${list.reload} stale=${list.loaded} />`}
    ${OF_TIME.includes(group) && items.length > 0 && html`<${Bars} items=${items} group=${group} />`}
    ${items.length > 0 &&
    html`<${Table} label="Results by ${group}" columns=${columnsOf(group, directory)} items=${items} keyOf=${keyOf}
      more=${list.more} complete=${list.complete} />`}
    ${list.loaded && items.length === 0 && html`<p class="nothing">No results in this selection.</p>`}
  `;
}

/** @param {SummaryFigures} item */
const keyOf = (item) => [item.key?.id, item.bot?.id, item.symbol, item.period?.from, item.settle].join(" ");

/**
 * @param {string} group
 * @param {Directory} directory
 * @returns {import("../parts/table.js").Column<SummaryFigures>[]}
 */
const columnsOf = (group, directory) => [
  {
    name: "group",
    title: GROUPS.find(([name]) => name === group)?.[1] ?? "",
    rank: 1,
    width: "minmax(0, 1.6fr)",
    cell: (item) => {
      if (item.key) return html`<${KeyName} source=${item.key} directory=${directory} />`;
      if (group === "bot") return html`<${BotName} bot=${item.bot} directory=${directory} />`;
      return item.period ? day(item.period.from) : item.symbol;
    },
  },
  { name: "net", title: "Net P&L", rank: 1, end: true, width: "minmax(0, 1.4fr)", cell: (item) => html`<${Profit} value=${item.net_pnl} asset=${item.settle} glance=${true} />` },
  { name: "funding", title: "Funding", end: true, cell: (item) => html`<${Profit} value=${item.funding} glance=${true} />` },
  { name: "fees", title: "Fees", end: true, cell: (item) => html`<${Amount} value=${item.fees} glance=${true} />` },
  { name: "trades", title: "Trades", rank: 2, end: true, width: "90px", cell: (item) => item.trades.toLocaleString("en") },
  {
    name: "wins",
    title: "Win rate",
    end: true,
    width: "90px",
    cell: (item) => html`<span title=${item.win_rate}>${(Number(item.win_rate) * 100).toFixed(1)} %</span>`,
  },
  { name: "drawdown", title: "Largest drawdown", rank: 2, end: true, width: "minmax(0, 1.3fr)", cell: (item) => html`<${Amount} value=${item.largest_drawdown?.value} glance=${true} />` },
];

/**
 * Net P&L of each period as bars: a chart for each settle asset.
 *
 * @param {{ items: SummaryFigures[], group: string }} props
 */
function Bars({ items, group }) {
  const charts = useCharts();
  const content = items.map((item) => `${keyOf(item)} ${item.net_pnl}`).join();
  const assets = useMemo(() => {
    /** @type {Map<string, import("../kit/curves.js").Line>} */
    const found = new Map();
    for (const item of [...items].reverse()) {
      const line = found.get(item.settle) ?? { label: "Net P&L", at: [], values: [] };
      line.at.push(Date.parse(item.period?.from ?? "") / 1000);
      line.values.push(item.net_pnl);
      found.set(item.settle, line);
    }
    return [...found].map(([settle, line]) => ({ settle, lines: [line] }));
  }, [content]);
  if (!charts) return null;
  return assets.map(
    ({ settle, lines }) => html`<${charts.Chart} key=${settle} title="Net P&L by ${group}" unit=${settle} kind="bars" height=${180} lines=${lines} />`,
  );
}

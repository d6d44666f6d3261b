/** @file Net P&L and drawdown of one symbol, by day: equity is that of an account, never of a symbol. */

import { html, useMemo } from "../kit/html.js";
import { everyItem } from "../kit/api.js";
import { drawdownLine, pnlLine } from "../kit/curves.js";
import { plus } from "../kit/decimal_sum.js";
import { useRefresh } from "../kit/refresh.js";
import { useResource } from "../kit/resource.js";
import { useCharts } from "./curves.js";
import { Loaded } from "./states.js";

/** @typedef {import("../../types/api").SummaryFigures} SummaryFigures */
/** @typedef {import("../../types/api").EquityPoint} EquityPoint */

/**
 * Returns the running sum of each settle asset, one point for the end of each day with a trade.
 *
 * @param {SummaryFigures[]} days in any order
 * @returns {[string, EquityPoint[]][]}
 */
export function runningSums(days) {
  /** @type {Map<string, EquityPoint[]>} */
  const found = new Map();
  const inOrder = [...days].sort((one, other) => (one.period?.from ?? "").localeCompare(other.period?.from ?? ""));
  for (const { settle, period, net_pnl } of inOrder) {
    const points = found.get(settle) ?? [];
    const before = points.at(-1)?.net_pnl_cumulative ?? "0";
    points.push(/** @type {EquityPoint} */ ({
      at: period?.to ?? "",
      equity: null,
      net_pnl_cumulative: plus(before, net_pnl),
      reset: false,
    }));
    found.set(settle, points);
  }
  return [...found].sort(([one], [other]) => one.localeCompare(other));
}

/** @param {{ query: Record<string, unknown>, symbol: string }} props */
export function SymbolCurves({ query, symbol }) {
  const charts = useCharts();
  const wanted = { ...query, symbol, group_by: "day", limit: 200 };
  const resource = useResource(
    `days ${JSON.stringify(wanted)}`,
    async (stop) => {
      /** @type {SummaryFigures[]} */
      const days = [];
      for await (const one of everyItem("/v1/analytics/summary", wanted, stop)) days.push(one);
      return runningSums(days);
    },
    (event) => event.type === "position.closed" || event.type.startsWith("operation."),
  );
  useRefresh(resource.reload);
  return html`<${Loaded} resource=${resource} what="the curves">
    ${(/** @type {[string, EquityPoint[]][]} */ assets) =>
      charts &&
      assets.map(
        ([settle, points]) => html`<${AssetCurves} key=${settle} Chart=${charts.Chart} settle=${settle} symbol=${symbol} points=${points} />`,
      )}
  <//>`;
}

/** @param {{ Chart: any, settle: string, symbol: string, points: EquityPoint[] }} props */
function AssetCurves({ Chart, settle, symbol, points }) {
  const [pnl, falls] = useMemo(() => [[pnlLine(symbol, points)], [drawdownLine(symbol, points)]], [points, symbol]);
  return html`
    <${Chart} title="Net P&L" unit=${settle} kind="steps" lines=${pnl}
      note="Realised P&L and funding of ${symbol} since the start of the period, at the end of each day. Equity is that of a whole key: clear the symbol to see it." />
    <${Chart} title="Drawdown" unit=${settle} kind="fall" height=${160} lines=${falls}
      note="How far net P&L is below its highest value so far, at the end of each day; the largest drawdown above is exact." />
  `;
}

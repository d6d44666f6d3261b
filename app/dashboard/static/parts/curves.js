/** @file Equity, net P&L and drawdown over time: a chart for each settle asset, a line for each key or bot. */

import { html, useEffect, useMemo, useState } from "../kit/html.js";
import { get } from "../kit/api.js";
import { drawdownLine, equityLine, pnlLine } from "../kit/curves.js";
import { counted } from "../kit/format.js";
import { useRefresh } from "../kit/refresh.js";
import { useResource } from "../kit/resource.js";
import { Loaded } from "./states.js";

/** @typedef {{ id: string, label: string }} Source a key or a bot */
/** @typedef {{ label: string, points: import("../../types/api").EquityPoint[] }} Series */

/** The most lines of a chart, and so the most curves that are read. */
const MOST = 8;

/**
 * Returns the charts' module, loaded when the first chart is shown; null until then.
 *
 * @returns {typeof import("./chart.js") | null}
 */
export function useCharts() {
  const [module, setModule] = useState(/** @type {typeof import("./chart.js") | null} */ (null));
  useEffect(() => void import("./chart.js").then(setModule), []);
  return module;
}

/**
 * @param {{ by: "key_id" | "bot_id", sources: Source[], query: Record<string, unknown>, only?: "equity" | null, empty?: any }} props
 *   `sources`: whose curves are drawn, the most important first
 */
export function Curves({ by, sources, query, only = null, empty = null }) {
  const charts = useCharts();
  const drawn = sources.slice(0, MOST);
  const key = `curves ${by} ${drawn.map((one) => one.id).join()} ${JSON.stringify(query)}`;
  const resource = useResource(
    key,
    async (stop) => {
      const curves = await Promise.all(
        drawn.map((one) => get("/v1/analytics/equity-curve", { ...query, [by]: one.id }, stop)),
      );
      /** @type {Map<string, Series[]>} */
      const found = new Map();
      for (const [place, curve] of curves.entries()) {
        const label = drawn[place]?.label ?? "";
        for (const { settle, points } of /** @type {import("../../types/api").EquityCurve} */ (curve).items) {
          if (points.length) found.set(settle, [...(found.get(settle) ?? []), { label, points }]);
        }
      }
      return [...found].sort(([one], [other]) => one.localeCompare(other));
    },
    (event) => event.type === "position.closed" || event.type.startsWith("operation."),
  );
  useRefresh(resource.reload);
  const rest = sources.length - drawn.length;
  const noun = by === "key_id" ? "key" : "bot";
  return html`<${Loaded} resource=${resource} what="the curves">
    ${(/** @type {[string, Series[]][]} */ assets) =>
      assets.length === 0
        ? empty
        : !charts
          ? html`<p class="loading" role="status">Drawing…</p>`
          : html`
              ${rest > 0 && html`<p class="help">${counted(drawn.length, noun)} of ${sources.length} drawn. Filter by ${noun} to see another one.</p>`}
              ${assets.map(([settle, series]) => html`<${AssetCurves} key=${settle} Chart=${charts.Chart} settle=${settle} series=${series} only=${only} />`)}
            `}
  <//>`;
}

/** @param {{ Chart: any, settle: string, series: Series[], only: string | null }} props */
function AssetCurves({ Chart, settle, series, only }) {
  const equity = useMemo(
    () => series.map(({ label, points }) => equityLine(label, points)).filter((line) => line.at.length),
    [series],
  );
  const [pnl, falls] = useMemo(() => {
    const traded = series.filter(({ points }) => points.some((point) => Number(point.net_pnl_cumulative) !== 0));
    return [pnlLine, drawdownLine].map((line) => traded.map(({ label, points }) => line(label, points)));
  }, [series]);
  return html`
    ${equity.length > 0 &&
    html`<${Chart} title="Equity" unit=${settle} lines=${equity}
      note=${only ? null : "What the exchange account was worth, as its bot reported it. A gap means that the bot was away."} />`}
    ${!only &&
    pnl?.length !== 0 &&
    html`<${Chart} title="Net P&L" unit=${settle} kind="steps" lines=${pnl}
        note="Realised P&L and funding since the start of the period." />
      <${Chart} title="Drawdown" unit=${settle} kind="fall" height=${160} lines=${falls}
        note="How far net P&L is below its highest value so far, at the times of the points; the largest drawdown above is exact." />`}
  `;
}

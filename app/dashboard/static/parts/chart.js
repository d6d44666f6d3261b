/**
 * @file Charts over time, drawn by uPlot, with their points as a table beside them.
 *
 * A canvas shows nothing to a screen reader, and numbers in it are rounded: the label sums a chart
 * up, and the table has every point with all digits.
 */

import uPlot from "../vendor/uplot.js";
import { html, useEffect, useMemo, useRef, useState } from "../kit/html.js";
import { decimal, short, time } from "../kit/format.js";
import { timeZone } from "../kit/session.js";
import { Table } from "./table.js";

/** @typedef {import("../kit/curves.js").Line} Line */
/** @typedef {"line" | "steps" | "fall" | "bars"} Kind */

/** The most lines of one chart: there are as many colours. */
const MOST_LINES = 8;
/** A gap reaches to the next point of its own line, whatever times other lines have (uPlot's value). */
const GAPS_EXPAND = 2;
const STYLE = new URL("../vendor/uplot.css", import.meta.url).href;
const DARK = matchMedia("(prefers-color-scheme: dark)");
const YEAR = 31_536_000;
const MONTH = 2_419_200;
const DAY = 86_400;

/** How times are written along the axis, by the distance of two ticks (uPlot's own table). */
const TIMES = [
  [YEAR, "{YYYY}", null, null, null, null, null, null, 1],
  [MONTH, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [DAY, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [60, "{HH}:{mm}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
];

function addStyle() {
  if (document.querySelector(`link[href="${STYLE}"]`)) return;
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = STYLE;
  document.head.append(link);
}

/**
 * Returns a function that gives a colour of the style as it is now, in light or dark.
 *
 * @param {HTMLElement} place
 */
function coloursIn(place) {
  const probe = document.createElement("span");
  place.append(probe);
  /** @type {Record<string, string>} */
  const found = {};
  const names = ["text", "faint", "line", "good", "bad", ...Array.from({ length: MOST_LINES }, (_, n) => `line-${n + 1}`)];
  for (const name of names) {
    probe.style.color = `var(--${name})`;
    found[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return (/** @type {string} */ name) => found[name] ?? "currentColor";
}

/** Returns a number that changes when light turns dark or dark light. */
function useTheme() {
  const [turns, setTurns] = useState(0);
  useEffect(() => {
    const turn = () => setTurns((now) => now + 1);
    const chosen = new MutationObserver(turn);
    chosen.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    DARK.addEventListener("change", turn);
    return () => {
      chosen.disconnect();
      DARK.removeEventListener("change", turn);
    };
  }, []);
  return turns;
}

/**
 * @param {{ title: string, unit: string, lines: Line[], kind?: Kind, height?: number, note?: any }} props
 *   `unit`: the asset of all values; the chart is drawn again only for other `lines`
 */
export function Chart({ title, unit, lines, kind = "line", height = 220, note = null }) {
  const place = useRef(/** @type {HTMLElement | null} */ (null));
  const [under, setUnder] = useState(/** @type {number | null} */ (null));
  const [open, setOpen] = useState(false);
  const theme = useTheme();
  const shown = useMemo(() => lines.slice(0, MOST_LINES), [lines]);
  const joined = useMemo(() => join(shown), [shown]);
  const label = useMemo(() => summary(title, unit, shown), [title, unit, shown]);
  const moments = /** @type {number[]} */ (joined[0] ?? []);

  useEffect(() => {
    const element = place.current;
    if (!element || moments.length === 0) return;
    addStyle();
    const options = optionsFor({ element, lines: shown, kind, height, zone: timeZone.value, onCursor: setUnder });
    const plot = new uPlot(options, joined, element);
    const resized = new ResizeObserver(() => {
      if (element.clientWidth !== plot.width) plot.setSize({ width: element.clientWidth, height });
    });
    resized.observe(element);
    return () => {
      resized.disconnect();
      plot.destroy();
    };
  }, [shown, kind, height, theme, timeZone.value]);

  const texts = useMemo(() => shown.map((line) => new Map(line.at.map((at, n) => [at, line.values[n] ?? null]))), [shown]);
  const moment = under === null ? undefined : moments[under];
  return html`<figure class="chart">
    <figcaption>
      <strong>${title}</strong> <span class="unit">${unit}</span>
      ${moment !== undefined && html`<span class="faint" aria-hidden="true">${time(moment * 1000)}</span>`}
    </figcaption>
    ${(shown.length > 1 || moment !== undefined) &&
    html`<ul class="legend">
      ${shown.map(
        (line, n) => html`<li key=${line.label}>
          ${kind !== "bars" && html`<span class="swatch" style=${{ background: `var(--line-${n + 1})` }}></span>`}
          <bdi>${line.label}</bdi>
          ${moment !== undefined && html` <span class="figures" aria-hidden="true">${decimal(texts[n]?.get(moment))}</span>`}
        </li>`,
      )}
    </ul>`}
    <div class="plot" ref=${place} role="img" aria-label=${label} style=${{ "min-height": `${height}px` }}></div>
    ${note && html`<p class="help">${note}</p>`}
    <details onToggle=${(/** @type {any} */ event) => setOpen(event.target.open)}>
      <summary>All points of ${title} as a table</summary>
      ${open && html`<${Points} title=${title} unit=${unit} lines=${shown} moments=${moments} texts=${texts} />`}
    </details>
  </figure>`;
}

/**
 * @param {{ title: string, unit: string, lines: Line[], moments: number[], texts: Map<number, string | null>[] }} props
 */
function Points({ title, unit, lines, moments, texts }) {
  const columns = [
    { name: "time", title: "Time", rank: 1, cell: (/** @type {number} */ at) => time(at * 1000) },
    ...lines.map((line, n) => ({
      name: `line${n}`,
      title: `${line.label} (${unit})`,
      rank: n === 0 ? 1 : 2,
      end: true,
      cell: (/** @type {number} */ at) => decimal(texts[n]?.get(at)),
    })),
  ];
  const newest = useMemo(() => moments.filter((at) => texts.some((one) => one.get(at))).reverse(), [moments]);
  return html`<${Table} label="Points of ${title}" columns=${columns} items=${newest} keyOf=${String} />`;
}

/**
 * Returns all lines over the same times, as uPlot takes them.
 *
 * @param {Line[]} lines
 * @returns {any[]}
 */
function join(lines) {
  const tables = lines.map((line) => [line.at, line.values.map((value) => (value === null ? null : Number(value)))]);
  return tables.length === 1 ? /** @type {any} */ (tables[0]) : uPlot.join(/** @type {any} */ (tables), lines.map(() => [0, GAPS_EXPAND]));
}

/**
 * Returns a chart in words: where each line begins and ends, and its extremes.
 *
 * @param {string} title
 * @param {string} unit
 * @param {Line[]} lines
 */
function summary(title, unit, lines) {
  const parts = lines.map((line) => {
    const known = /** @type {string[]} */ (line.values.filter((value) => value !== null));
    const sorted = [...known].sort((one, other) => Number(one) - Number(other));
    const [first, last] = [known[0], known.at(-1)];
    if (first === undefined || last === undefined) return `${line.label}: no points`;
    const [from, to] = [line.at[0] ?? 0, line.at.at(-1) ?? 0].map((at) => time(at * 1000));
    return `${line.label}: ${first} on ${from}, ${last} on ${to}, lowest ${sorted[0]}, highest ${sorted.at(-1)}`;
  });
  return `${title} in ${unit}. ${parts.join(". ")}.`;
}

/**
 * @param {{ element: HTMLElement, lines: Line[], kind: Kind, height: number, zone: string,
 *   onCursor: (index: number | null) => void }} options
 * @returns {any}
 */
function optionsFor({ element, lines, kind, height, zone, onCursor }) {
  const colour = coloursIn(element);
  const axis = { stroke: colour("faint"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1 } };
  return {
    width: element.clientWidth,
    height,
    legend: { show: false },
    tzDate: (/** @type {number} */ seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
    cursor: { drag: { x: true, y: false }, points: { size: 7 } },
    scales: { y: { range: (/** @type {any} */ _plot, /** @type {number} */ low, /** @type {number} */ high) => rangeOf(kind, low, high) } },
    axes: [
      { ...axis, values: TIMES },
      { ...axis, size: widthOf, values: (/** @type {any} */ _plot, /** @type {number[]} */ ticks) => ticks.map((tick) => short(String(tick))) },
    ],
    series: [{}, ...lines.map((line, n) => seriesOf(line, n, kind, colour))],
    hooks: { setCursor: [(/** @type {any} */ plot) => onCursor(plot.cursor.idx ?? null)] },
  };
}

/**
 * Returns the ends of the value axis: bars and falls begin at 0, and a flat line has room.
 *
 * @param {Kind} kind
 * @param {number} low
 * @param {number} high
 */
function rangeOf(kind, low, high) {
  if (kind === "bars" || kind === "fall") [low, high] = [Math.min(low, 0), Math.max(high, 0)];
  const room = (high - low || Math.abs(high) || 1) * 0.08;
  return [kind === "bars" && low === 0 ? 0 : low - room, high + (kind === "fall" ? 0 : room)];
}

/**
 * Returns the width of the value axis: that of its longest label.
 *
 * @param {any} _plot
 * @param {string[] | null} labels
 */
const widthOf = (_plot, labels) => 24 + 8 * Math.max(4, ...(labels ?? []).map((label) => label.length));

/**
 * @param {Line} line
 * @param {number} n
 * @param {Kind} kind
 * @param {(name: string) => string} colour
 */
function seriesOf(line, n, kind, colour) {
  const stroke = colour(`line-${n + 1}`);
  const common = { label: line.label, stroke, width: 1.5 };
  const { bars, stepped } = uPlot.paths;
  if (kind === "steps") return { ...common, points: { show: false }, paths: stepped?.({ align: 1 }) };
  if (kind === "fall") return { ...common, points: { show: false }, paths: stepped?.({ align: 1 }), fill: stroke.replace("rgb(", "rgba(").replace(")", ", 0.15)"), fillTo: 0 };
  if (kind !== "bars") return { ...common, points: { show: line.at.length < 60 } };
  const signs = (/** @type {any} */ plot, /** @type {number} */ place) =>
    plot.data[place].map((/** @type {number} */ value) => colour(value < 0 ? "bad" : "good"));
  const disp = { fill: { unit: 3, values: signs }, stroke: { unit: 3, values: signs } };
  return { ...common, points: { show: false }, paths: bars?.({ size: [0.7, 48], disp: /** @type {any} */ (disp) }) };
}

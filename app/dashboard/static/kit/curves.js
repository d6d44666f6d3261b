/** @file Lines of charts made of the service's equity curves. */

import { isMore, minus } from "./decimal_sum.js";

/** @typedef {import("../../types/api").EquityPoint} EquityPoint */
/** @typedef {{ label: string, at: number[], values: (string | null)[] }} Line times in seconds, decimals as text */

/** A pause is a gap if it is longer than this many usual distances of points. */
const GAP = 4;

/**
 * Returns a line of equity, with a gap wherever no snapshot came for long: the bot was away.
 *
 * @param {string} label
 * @param {EquityPoint[]} points
 * @returns {Line}
 */
export function equityLine(label, points) {
  const known = points.filter((point) => point.equity !== null);
  const times = known.map((point) => Date.parse(point.at) / 1000);
  const distances = times.slice(1).map((time, place) => time - (times[place] ?? 0));
  const usual = [...distances].sort((one, other) => one - other)[distances.length >> 1] ?? 0;
  /** @type {Line} */
  const line = { label, at: [], values: [] };
  for (const [place, time] of times.entries()) {
    const before = times[place - 1];
    if (before !== undefined && time - before > GAP * usual) {
      line.at.push(before + usual);
      line.values.push(null);
    }
    line.at.push(time);
    line.values.push(known[place]?.equity ?? null);
  }
  return line;
}

/**
 * Returns a line of net P&L, which stays as it is between trades.
 *
 * @param {string} label
 * @param {EquityPoint[]} points
 * @returns {Line}
 */
export const pnlLine = (label, points) => ({
  label,
  at: points.map((point) => Date.parse(point.at) / 1000),
  values: points.map((point) => point.net_pnl_cumulative),
});

/**
 * Returns how far net P&L is below its highest value so far; it starts again with new test funds.
 *
 * @param {string} label
 * @param {EquityPoint[]} points
 * @returns {Line}
 */
export function drawdownLine(label, points) {
  let peak = "0";
  const values = points.map(({ net_pnl_cumulative: value, reset }) => {
    if (reset || isMore(value, peak)) peak = value;
    return minus(value, peak);
  });
  return { label, at: points.map((point) => Date.parse(point.at) / 1000), values };
}

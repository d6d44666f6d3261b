/** @file The kinds of trading data, as people call them, in the order in which they are shown. */

import { counted } from "./format.js";

const KINDS = /** @type {Record<string, [one: string, several: string]>} */ ({
  trades: ["trade", "trades"],
  funding: ["funding payment", "funding payments"],
  positions: ["position", "positions"],
  equity_snapshots: ["equity snapshot", "equity snapshots"],
  signals: ["signal", "signals"],
  bot_events: ["bot event", "bot events"],
  credentials: ["set of credentials", "sets of credentials"],
  keys: ["key", "keys"],
  bots: ["bot", "bots"],
});

/** The most that a preview counts: a count of this many means at least as many. */
const COUNTED_AT_MOST = 100_000;

/**
 * Returns counts with their nouns: those that are not zero, known kinds first.
 *
 * @param {Record<string, number>} counts
 * @param {boolean} [exact] whether no count was cut off
 */
export function kindCounts(counts, exact = true) {
  const names = [...new Set([...Object.keys(KINDS), ...Object.keys(counts)])];
  return names
    .filter((name) => counts[name])
    .map((name) => {
      const number = counts[name] ?? 0;
      const plain = name.replaceAll("_", " ");
      const [one, several] = KINDS[name] ?? [plain, plain];
      return `${!exact && number >= COUNTED_AT_MOST ? "at least " : ""}${counted(number, one, several)}`;
    });
}

/** @file How values read: times in the account's zone, decimals without rounding, spans. */

import { signal } from "../vendor/signals.js";
import { timeZone } from "./session.js";

/** The present, every 10 seconds: what counts down reads it. */
export const now = signal(Date.now());
setInterval(() => (now.value = Date.now()), 10_000);

/** @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();

/**
 * @param {string} name
 * @param {Intl.DateTimeFormatOptions} options
 */
function format(name, options) {
  const key = `${name} ${timeZone.value}`;
  let found = formats.get(key);
  if (!found) {
    found = new Intl.DateTimeFormat("en-GB", { ...options, timeZone: timeZone.value });
    formats.set(key, found);
  }
  return found;
}

/**
 * Returns day and time in the account's zone, such as "28 Nov 2026, 14:03:22".
 *
 * @param {string | number} moment
 */
export const time = (moment) =>
  format("time", { dateStyle: "medium", timeStyle: "medium" }).format(new Date(moment));

/**
 * Returns the day alone.
 *
 * @param {string | number} moment
 */
export const day = (moment) => format("day", { dateStyle: "medium" }).format(new Date(moment));

/**
 * Returns the time of the day alone, such as "14:03:22".
 *
 * @param {string | number} moment
 */
export const clock = (moment) => format("clock", { timeStyle: "medium" }).format(new Date(moment));

const SPANS = /** @type {const} */ ([
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
]);
const relative = new Intl.RelativeTimeFormat("en", { numeric: "always" });

/**
 * Returns how long ago or ahead a moment is, such as "3 minutes ago".
 *
 * @param {string | number} moment
 * @param {number} [present]
 */
export function ago(moment, present = Math.max(now.value, Date.now())) {
  const seconds = (new Date(moment).getTime() - present) / 1000;
  for (const [unit, length] of SPANS) {
    if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), unit);
  }
  // `now` is up to 10 seconds behind.
  return seconds > 10 ? "in less than a minute" : "just now";
}

/**
 * Returns a decimal of the API with its thousands apart; no digit is changed.
 *
 * @param {string | null | undefined} text
 */
export function decimal(text) {
  if (text === null || text === undefined) return "–";
  const [, sign = "", whole = text, rest = ""] = /^(-?)(\d+)(\.\d+)?$/.exec(text) ?? [];
  return `${sign ? "−" : ""}${whole.replace(/\B(?=(\d{3})+$)/g, "\u202f")}${rest}`;
}

/**
 * Returns a decimal in few digits, for figures that are glanced at; `title` shows all of them.
 *
 * @param {string | null | undefined} text
 */
export function short(text) {
  if (text === null || text === undefined) return "–";
  const value = Number(text);
  const size = Math.abs(value);
  const digits =
    size >= 1 && size < 1e6 ? { maximumFractionDigits: size >= 1000 ? 0 : 2 } : { maximumSignificantDigits: 3 };
  return value
    .toLocaleString("en", { ...digits, notation: size >= 1e6 ? "compact" : "standard" })
    .replace("-", "−");
}

/** The digits of a figure that is read at a glance. */
const GLANCE = 8;

/**
 * Returns a decimal with at most 8 significant digits, and all before the point; `title` shows all.
 *
 * @param {string | null | undefined} text
 */
export function brief(text) {
  if (text === null || text === undefined || text.replace(/\D/g, "").length <= GLANCE) return decimal(text);
  const whole = (/^-?(\d+)/.exec(text)?.[1] ?? "").replace(/^0$/, "").length;
  const leading = whole ? 0 : (/\.(0*)/.exec(text)?.[1]?.length ?? 0);
  const rounded = Number(text).toFixed(Math.min(20, Math.max(0, GLANCE - whole + leading)));
  return decimal(rounded.replace(/\.?0+$/, (zeros) => (rounded.includes(".") ? "" : zeros)));
}

/**
 * Returns a decimal with its sign, as profits are written.
 *
 * @param {string | null | undefined} text
 */
export const signed = (text) => (text && Number(text) > 0 ? `+${decimal(text)}` : decimal(text));

/**
 * Returns a count with its noun: "1 key", "2 keys".
 *
 * @param {number} number
 * @param {string} noun
 * @param {string} [several]
 */
export const counted = (number, noun, several = `${noun}s`) =>
  `${number.toLocaleString("en")} ${number === 1 ? noun : several}`;

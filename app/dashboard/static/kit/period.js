/** @file Periods of days in the account's time zone: what a person picks, and its bounds in UTC. */

/** @typedef {{ name: string, from: string | null, to: string | null, firstDay: string, lastDay: string }} Period
 *   `from` and `to` are moments, `to` exclusive; the days are those that a person picked. */

/** The periods to pick from, and how many days each has until today. */
export const PERIODS = /** @type {const} */ ([
  ["today", "Today", 1],
  ["7d", "Last 7 days", 7],
  ["30d", "Last 30 days", 30],
  ["90d", "Last 90 days", 90],
  ["365d", "Last 365 days", 365],
  ["all", "All time", 0],
  ["days", "From … to …", 0],
]);

const DAY = 86_400_000;
const WRITTEN = /^\d{4}-\d{2}-\d{2}$/;

/** @type {Map<string, Intl.DateTimeFormat>} */
const clocks = new Map();

/** @param {string} zone */
function clockOf(zone) {
  let clock = clocks.get(zone);
  if (!clock) {
    clock = new Intl.DateTimeFormat("en-GB", {
      timeZone: zone,
      calendar: "iso8601",
      hourCycle: "h23",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
    });
    clocks.set(zone, clock);
  }
  return clock;
}

/**
 * Returns what clocks of a zone show, as milliseconds since 1970 of the same figures in UTC.
 *
 * @param {number} moment
 * @param {string} zone
 */
function shown(moment, zone) {
  /** @type {Record<string, number>} */
  const figures = {};
  for (const { type, value } of clockOf(zone).formatToParts(moment)) figures[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = figures;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

/** @param {number} milliseconds */
const written = (milliseconds) => new Date(milliseconds).toISOString().slice(0, 10);

/**
 * Returns the day of a moment in a zone, as `2026-11-28`.
 *
 * @param {number} moment
 * @param {string} zone
 */
export const dayOf = (moment, zone) => written(shown(moment, zone));

/**
 * Returns another day.
 *
 * @param {string} day
 * @param {number} count
 */
export const daysAfter = (day, count) => written(Date.parse(`${day}T00:00:00Z`) + count * DAY);

/**
 * Returns the first moment of a day in a zone.
 *
 * Where clocks are set forward at midnight, a day begins later than 00:00; where they are set back
 * to midnight, it begins with the first of two.
 *
 * @param {string} day
 * @param {string} zone
 */
export function startOf(day, zone) {
  const midnight = Date.parse(`${day}T00:00:00Z`);
  const starts = [midnight - DAY, midnight + DAY]
    .map((near) => midnight - (shown(near, zone) - near))
    .sort((one, other) => one - other);
  const found = starts.find((start) => dayOf(start, zone) === day);
  return new Date(found ?? midnight).toISOString();
}

/**
 * Returns the period that the parameters of an address name.
 *
 * @param {Record<string, string>} query
 * @param {string} zone
 * @param {string} usual the name of the period if the address names none
 * @param {number} [present]
 * @returns {Period}
 */
export function periodOf(query, zone, usual, present = Date.now()) {
  const today = dayOf(present, zone);
  const [name, , length] = PERIODS.find(([one]) => one === (query.period ?? usual)) ?? ["all", "", 0];
  if (name === "days") {
    const firstDay = WRITTEN.test(query.from ?? "") ? (query.from ?? "") : "";
    const lastDay = WRITTEN.test(query.to ?? "") ? (query.to ?? "") : "";
    const from = firstDay ? startOf(firstDay, zone) : null;
    const to = lastDay ? startOf(daysAfter(lastDay, 1), zone) : null;
    return { name, from, to, firstDay, lastDay };
  }
  const firstDay = length ? daysAfter(today, 1 - length) : "";
  return { name, from: firstDay ? startOf(firstDay, zone) : null, to: null, firstDay, lastDay: today };
}

/** @file Which keys and bots need a person, and why: the most serious first. */

import { counted } from "./format.js";

/** @typedef {import("./directory.js").Key} Key */
/** @typedef {import("./directory.js").Bot} Bot */
/** @typedef {{ id: string, place: string, name: string, badge: string, tone: string, text: string }} Concern */

/** The words of a key's state that ask for nothing. */
const QUIET = ["active", "inactive"];
const BAD = ["expired", "rejected"];
/** A freeze is shown by itself, and a pause was wanted. */
const WANTED = ["frozen", "bot_paused"];

/**
 * @param {Key[]} keys
 * @param {Bot[]} bots
 * @param {(code: string) => string} sentenceOf what a reason against new positions means
 * @returns {Concern[]}
 */
export function concernsOf(keys, bots, sentenceOf) {
  const concerns = [...keys.flatMap(ofKey), ...bots.flatMap((bot) => ofBot(bot, sentenceOf))];
  return concerns.sort((one, other) => Number(other.tone === "bad") - Number(one.tone === "bad"));
}

/**
 * @param {Key} key
 * @returns {Concern[]}
 */
function ofKey({ id, label, state }) {
  if (QUIET.includes(state.word) || WANTED.includes(state.word)) return [];
  const badge = state.word.replace("_", "-");
  const tone = BAD.includes(state.word) ? "bad" : "warning";
  return [{ id, place: `/keys/${id}`, name: label, badge, tone, text: state.sentence }];
}

/**
 * @param {Bot} bot
 * @param {(code: string) => string} sentenceOf
 * @returns {Concern[]}
 */
function ofBot(bot, sentenceOf) {
  const common = { id: bot.id, place: `/bots/${bot.id}`, name: bot.name };
  if (!bot.online && bot.open_positions > 0) {
    const text = `Offline with ${counted(bot.open_positions, "open position")}. Start it again, or close them at the exchange.`;
    return [{ ...common, badge: "offline", tone: "bad", text }];
  }
  const reason = bot.blocked_by.find((code) => !WANTED.includes(code));
  if (reason === undefined) return [];
  return [{ ...common, badge: "blocked", tone: "warning", text: sentenceOf(reason) }];
}

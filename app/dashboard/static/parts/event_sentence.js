/** @file One event of the account as a sentence, with links to its key and its bot. */

import { exchangeName } from "../kit/exchanges.js";
import { eventTitle } from "../kit/event_types.js";
import { counted, day } from "../kit/format.js";
import { html } from "../kit/html.js";
import { reasonOf } from "../kit/reasons.js";

/** @typedef {import("../kit/live.js").AccountEvent} AccountEvent */
/** @typedef {AccountEvent & { data: Record<string, any> }} Shown */

/**
 * @param {Shown} event
 * @param {string} [unnamed]
 */
function key({ key_id, data, type }, unnamed = "a key") {
  const label = html`<bdi>${data.label ?? unnamed}</bdi>`;
  return key_id && type !== "key.deleted" ? html`<a href="/keys/${key_id}">${label}</a>` : label;
}

/**
 * @param {Shown} event
 * @param {string} [unnamed]
 */
function bot({ bot_id, data, type }, unnamed = "a bot") {
  const name = html`<bdi>${data.name ?? unnamed}</bdi>`;
  return bot_id && type !== "bot.deleted" ? html`<a href="/bots/${bot_id}">${name}</a>` : name;
}

/** @param {unknown} list */
const names = (list) => (Array.isArray(list) && list.length ? ` (${list.join(", ").replaceAll("_", " ")})` : "");
/** @param {unknown} word */
const words = (word) => String(word ?? "").replaceAll("_", " ");
/** @param {Shown} event */
const reasons = ({ data }) =>
  Array.isArray(data.reasons) && data.reasons.length
    ? `: ${data.reasons.map((/** @type {string} */ code) => reasonOf(code).title.toLowerCase()).join(", ")}`
    : "";
/** @param {Shown} event */
const position = ({ data }) => html`${data.side ?? ""} position on ${data.symbol ?? "a symbol"}`;

/** @param {Shown} event */
function frozen(event) {
  const { data } = event;
  if (data.scope === "exchange") return `all keys of ${exchangeName(data.exchange ?? "")}`;
  if (data.scope === "key") return html`the key ${key(event, "of this freeze")}`;
  return "the whole account";
}

const OPERATIONS = /** @type {Record<string, string>} */ ({
  delete_key_data: "The deletion of a key's data",
  delete_data: "The deletion of data",
  close_account: "The closing of the account",
  import_trades: "The import of trades",
});
/** @param {Shown} event */
const operation = ({ data }) => OPERATIONS[data.kind] ?? "An operation";

/** @type {Record<string, (event: Shown) => any>} */
const SENTENCES = {
  "key.added": (one) => html`The key ${key(one)} of ${exchangeName(one.data.exchange ?? "")} was added.`,
  "key.changed": (one) => html`The key ${key(one)} was changed${names(one.data.changed)}.`,
  "key.replaced": (one) => html`The key ${key(one)} has new credentials.`,
  "key.deleted": (one) =>
    html`The key ${key(one)} was deleted${one.data.associated_data === "delete" ? " with all its trading data" : ""}.`,
  "key.expiring": (one) => html`The key ${key(one)} expires in ${counted(Number(one.data.days ?? 0), "day")}.`,
  "key.expired": (one) => html`The key ${key(one)} expired${one.data.expires_at ? ` on ${day(one.data.expires_at)}` : ""}.`,
  "key.credentials_rejected": (one) =>
    html`The exchange rejects the key ${key(one)}${one.data.reason ? `: ${words(one.data.reason)}` : ""}.`,
  "key.credentials_restored": (one) => html`The exchange accepts the key ${key(one)} again.`,
  "key.permissions_changed": (one) => html`The exchange reports other permissions for the key ${key(one)}.`,
  "key.withdrawal_permission": (one) =>
    html`The key ${key(one)} can withdraw funds. Take that permission away at the exchange.`,
  "key.address_restriction_missing": (one) =>
    html`The key ${key(one)} works from any address. Restrict it at the exchange.`,
  "key.released_from_new_address": (one) =>
    html`The credentials of ${key(one)} were released to an address that never fetched them before:
      ${" "}<code>${one.data.address}</code>.`,
  "release.refused": (one) =>
    html`${bot(one, "A bot")} asked for credentials and did not get them: ${words(one.data.code)}.`,
  "bot.added": (one) => html`The bot ${bot(one)} was added.`,
  "bot.changed": (one) => html`The bot ${bot(one)} was changed${names(one.data.changed)}.`,
  "bot.deleted": (one) => html`The bot ${bot(one)} was deleted.`,
  "bot.online": (one) => html`The bot ${bot(one)} is online.`,
  "bot.offline": (one) => html`The bot ${bot(one)} is offline: it sends no heartbeats.`,
  "bot.token_minted": (one) => html`The bot ${bot(one)} has a new token; a former one is invalid.`,
  "assignment.changed": (one) =>
    one.data.assigned
      ? html`The key ${key(one)} was assigned to the bot ${bot(one)}.`
      : html`The key ${key(one)} was taken from the bot ${bot(one)}.`,
  "asset.changed": (one) =>
    html`The trading asset ${one.data.symbol ?? ""} of ${key(one)} was
      ${" "}${one.data.change ?? "changed"}${names(one.data.changed)}.`,
  "opening.refused": (one) =>
    html`${bot(one, "A bot")} asked to open a ${position(one)} and was refused.
      ${" "}${reasonOf(one.data.code ?? "").sentence}`,
  "position.opened": (one) => html`${bot(one, "A bot")} opened a ${position(one)}.`,
  "position.closed": (one) =>
    html`The ${position(one)} of ${bot(one)} was closed${one.data.reason === "by_hand" ? " by hand" : ""}.`,
  "position.unexpected": (one) =>
    html`${bot(one, "A bot")} reported a ${position(one)} that
      ${one.data.kind === "position_unexpected" ? " should not have been opened" : ` is not as it should be (${words(one.data.kind)})`}${reasons(one)}.`,
  "freeze.added": (one) =>
    html`New positions on ${frozen(one)} are stopped${one.data.reason ? html`: <bdi>${one.data.reason}</bdi>` : ""}.`,
  "freeze.lifted": (one) => html`The freeze of ${frozen(one)} was lifted.`,
  "operation.progress": (one) => html`${operation(one)} goes on: <a href="/settings">open Settings</a>.`,
  "operation.finished": (one) =>
    html`${operation(one)} ${one.data.status === "succeeded" ? "is done" : one.data.status === "cancelled" ? "was cancelled" : "failed"}:
      ${" "}<a href="/settings">open Settings</a>.`,
  "webhook.disabled": (one) =>
    html`The webhook to <bdi>${one.data.host ?? "an address"}</bdi> was deactivated:
      ${" "}${one.data.reason === "gone" ? "the receiver says that it is gone" : "nothing has arrived for 5 days"}.`,
  "account.closing": () => "The account is being closed.",
};

/**
 * @param {{ event: AccountEvent, directory: import("../kit/directory.js").Directory }} props
 *   `directory` has the names that an event does not hold
 */
export function EventSentence({ event, directory }) {
  const { data, key_id = "", bot_id = "" } = event;
  const label = data.label ?? directory.keys.get(key_id)?.label;
  const name = data.name ?? directory.bots.get(bot_id)?.name;
  return SENTENCES[event.type]?.({ ...event, data: { ...data, label, name } }) ?? html`${eventTitle(event.type)}.`;
}

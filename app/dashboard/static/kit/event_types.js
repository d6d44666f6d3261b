/** @file The types of the account's events, as people read them. */

/** @type {Record<string, string>} */
export const EVENT_TYPES = {
  "key.added": "Key added",
  "key.changed": "Key changed",
  "key.replaced": "Credentials replaced",
  "key.deleted": "Key deleted",
  "key.expiring": "Key expiring",
  "key.expired": "Key expired",
  "key.credentials_rejected": "Key rejected",
  "key.credentials_restored": "Key accepted again",
  "key.permissions_changed": "Permissions changed",
  "key.withdrawal_permission": "Key can withdraw",
  "key.address_restriction_missing": "Key works from any address",
  "key.released_from_new_address": "Released to a new address",
  "release.refused": "Release refused",
  "bot.added": "Bot added",
  "bot.changed": "Bot changed",
  "bot.deleted": "Bot deleted",
  "bot.online": "Bot online",
  "bot.offline": "Bot offline",
  "bot.token_minted": "Token minted",
  "assignment.changed": "Assignment changed",
  "asset.changed": "Trading asset changed",
  "opening.refused": "Opening refused",
  "position.opened": "Position opened",
  "position.closed": "Position closed",
  "position.unexpected": "Position unexpected",
  "freeze.added": "Freeze added",
  "freeze.lifted": "Freeze lifted",
  "operation.progress": "Operation in progress",
  "operation.finished": "Operation finished",
  "webhook.disabled": "Webhook deactivated",
  "account.closing": "Account closing",
};

/** How serious an event is; "plain" if left out. */
const TONES = /** @type {Record<string, string>} */ ({
  "key.expiring": "warning",
  "key.expired": "bad",
  "key.credentials_rejected": "bad",
  "key.credentials_restored": "good",
  "key.withdrawal_permission": "bad",
  "key.address_restriction_missing": "warning",
  "key.released_from_new_address": "warning",
  "release.refused": "warning",
  "bot.online": "good",
  "opening.refused": "warning",
  "position.unexpected": "warning",
  "freeze.added": "cold",
  "webhook.disabled": "bad",
  "account.closing": "bad",
});

/** @param {string} type */
export const eventTitle = (type) => EVENT_TYPES[type] ?? type.replace(/[._]/g, " ");
/** @param {string} type */
export const eventTone = (type) => TONES[type] ?? "plain";

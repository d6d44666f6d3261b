/** @file Why no position may be opened, as sentences: the codes of `blocked_by`, in one place. */

/**
 * @typedef {object} Reason
 * @property {string} title a few words, for tables
 * @property {string} sentence what is wrong and what to do
 * @property {((place: Place) => Fix | null) | null} fix where it is put right; null if not on a page
 */
/** @typedef {{ key_id?: string | null, bot_id?: string | null }} Place what is blocked */
/** @typedef {{ href: string, text: string }} Fix */

/** @param {Place} place */
const toKey = ({ key_id }) => (key_id ? { href: `/keys/${key_id}`, text: "Open the key" } : null);
/** @param {Place} place */
const toBot = ({ bot_id }) => (bot_id ? { href: `/bots/${bot_id}`, text: "Open the bot" } : null);

/** @type {Record<string, Reason>} */
const REASONS = {
  account_closing: {
    title: "Account is being closed",
    sentence: "The account is being closed. No new position can be opened any more.",
    fix: () => ({ href: "/settings", text: "Open Settings" }),
  },
  frozen: {
    title: "Frozen",
    sentence: "A freeze of the account, the exchange or the key stops new positions. Lift it to go on.",
    fix: () => ({ href: "/freezes", text: "Open Freezes" }),
  },
  bot_paused: {
    title: "Paused",
    sentence: "The bot is paused. Resume it to let it open positions again.",
    fix: toBot,
  },
  no_key: {
    title: "No API key",
    sentence: "The bot has no API key. Assign an active key that no other bot has.",
    fix: toBot,
  },
  key_inactive: {
    title: "Key inactive",
    sentence: "The API key is inactive. Activate it to let the bot open positions again.",
    fix: toKey,
  },
  key_cannot_trade: {
    title: "Key may not trade",
    sentence:
      "According to the exchange, the API key may not trade. Allow trading at the exchange, or replace the key's credentials.",
    fix: toKey,
  },
  withdrawal_permission: {
    title: "Key can withdraw",
    sentence:
      "According to the exchange, the API key may withdraw funds. Take that permission away at the exchange, or replace the key's credentials.",
    fix: toKey,
  },
  unverified: {
    title: "Key not verified",
    sentence:
      "Nobody has asked the exchange yet whether the API key can withdraw funds. Replace its credentials and have them checked, or let the bot report the key's permissions.",
    fix: toKey,
  },
  credentials_rejected: {
    title: "Key rejected",
    sentence: "The exchange rejected the API key at the latest check. Replace its credentials.",
    fix: toKey,
  },
  no_trading_assets: {
    title: "No trading assets",
    sentence: "The API key has no enabled trading asset. Add at least one instrument, or enable one.",
    fix: toKey,
  },
  catalogue_unknown: {
    title: "Instruments unknown",
    sentence:
      "The exchange's list of instruments has not been fetched yet. This usually takes less than a minute; the key's page can fetch it again.",
    fix: toKey,
  },
  unknown_asset: {
    title: "Not a trading asset",
    sentence: "The symbol is not one of the API key's trading assets. Add it first.",
    fix: toKey,
  },
  asset_disabled: {
    title: "Disabled",
    sentence: "The trading asset is disabled. Enable it to let the bot open positions on it.",
    fix: toKey,
  },
  asset_delisted: {
    title: "Delisted",
    sentence: "The exchange no longer lists this symbol. Open positions can still be closed.",
    fix: null,
  },
  leverage_above_max: {
    title: "Leverage too high",
    sentence: "The leverage is above the exchange's maximum for this symbol. Lower it.",
    fix: toKey,
  },
};

/**
 * Returns a code's reason. A later service may have codes that this page does not know.
 *
 * @param {string} code
 * @returns {Reason}
 */
export const reasonOf = (code) =>
  REASONS[code] ?? {
    title: code.replaceAll("_", " "),
    sentence: `No new position may be opened: ${code.replaceAll("_", " ")}.`,
    fix: null,
  };

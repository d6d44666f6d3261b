/** @file What each exchange offers, read once for as long as the page is open. */

import { signal } from "../vendor/signals.js";
import { get } from "./api.js";
import { useResource } from "./resource.js";

/** @typedef {import("../../types/api").ExchangeOffer} ExchangeOffer */
/** @typedef {import("../../types/api").ExchangeList} ExchangeList */

const list = signal(/** @type {ExchangeList | null} */ (null));

/** Reads the exchanges; a second view gets what the first one read. */
export const useExchanges = () =>
  useResource("/v1/exchanges", async (stop) => (list.value ??= await get("/v1/exchanges", {}, stop)));

/**
 * Returns an exchange's name for people, its id until the exchanges are read.
 *
 * @param {string} exchange
 */
export const exchangeName = (exchange) =>
  list.value?.items.find((offer) => offer.exchange === exchange)?.name ?? exchange;

/** How each contract type is settled, in the words of the Contract Type field. */
export const CONTRACT_TYPES = /** @type {Record<string, string>} */ ({
  linear: "Linear (USDT-settled)",
  inverse: "Inverse (BTC-settled)",
});

/** @file The account's keys and bots by their ids, for filters and for names in lists. */

import { everyItem } from "./api.js";
import { useResource } from "./resource.js";
import { account } from "./session.js";

/** @typedef {import("../../types/api").Key} Key */
/** @typedef {import("../../types/api").Bot} Bot */
/** @typedef {{ id: string, label: string, environment: string, exchange: string, deleted: boolean }} KnownKey */

/** The most keys, and the most bots, that are read for a choice. */
const MOST = 2_000;
/** The bot of trades that were imported without one. */
export const NO_BOT = "00000000-0000-0000-0000-000000000000";

/**
 * @template T
 * @param {string} path
 * @param {AbortSignal} stop
 */
async function read(path, stop) {
  /** @type {T[]} */
  const items = [];
  for await (const item of everyItem(path, { limit: 200 }, stop)) {
    items.push(item);
    if (items.length >= MOST) break;
  }
  return items;
}

/** Reads all keys and bots; keys that were deleted are known as long as they have trading data. */
export function useDirectory() {
  const resource = useResource(
    "directory",
    async (stop) => {
      const [keys, bots] = await Promise.all([read("/v1/keys", stop), read("/v1/bots", stop)]);
      return { keys: /** @type {Key[]} */ (keys), bots: /** @type {Bot[]} */ (bots) };
    },
    (event) => /^(key|bot|assignment|freeze|asset)\./.test(event.type),
  );
  /** @type {Map<string, KnownKey>} */
  const keys = new Map();
  for (const { key } of account.value?.data ?? []) keys.set(key.id, key);
  for (const key of resource.data?.keys ?? []) keys.set(key.id, { ...key, deleted: false });
  /** @type {Map<string, Bot>} */
  const bots = new Map();
  for (const bot of resource.data?.bots ?? []) bots.set(bot.id, bot);
  return { keys, bots, present: resource.data?.keys ?? [], loaded: resource.data !== null, reload: resource.reload };
}

/** @typedef {ReturnType<typeof useDirectory>} Directory */

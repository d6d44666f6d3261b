/** @file The account's freezes, shared by the shell (its banner and its button) and their page. */

import { computed, signal } from "../vendor/signals.js";
import { useEffect } from "../vendor/hooks.js";
import { everyItem, post, remove } from "./api.js";
import { useResource } from "./resource.js";

/** @typedef {import("../../types/api").Freeze} Freeze */
/** @typedef {import("./resource.js").Resource<Freeze[]>} Freezes */

/** The freezes as they were read last; null before that. */
export const freezes = signal(/** @type {Freezes | null} */ (null));
/** The freeze of the whole account, if there is one. */
export const accountFreeze = computed(
  () => freezes.value?.data?.find((freeze) => freeze.scope === "account") ?? null,
);

/** @param {AbortSignal} stop */
async function read(stop) {
  /** @type {Freeze[]} */
  const items = [];
  for await (const freeze of everyItem("/v1/freezes", { limit: 200 }, stop)) items.push(freeze);
  return items;
}

/** Keeps the freezes fresh; the shell calls it, once for the page. */
export function useFreezes() {
  const resource = useResource("/v1/freezes", read, (event) => event.type.startsWith("freeze."));
  useEffect(() => {
    freezes.value = resource;
  }, [resource.data, resource.problem]);
}

/**
 * Stops new positions.
 *
 * @param {import("../../types/api").FreezeCreate} wanted
 * @param {string} [intent]
 */
export async function freeze(wanted, intent) {
  await post("/v1/freezes", wanted, intent ? { intent } : {});
  await freezes.value?.reload();
}

/** @param {string} id */
export async function lift(id) {
  await remove(`/v1/freezes/${id}`);
  await freezes.value?.reload();
}

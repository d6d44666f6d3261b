/** @file How many things of a place need a person, for the counts in the navigation. */

import { get } from "./api.js";
import { freezes } from "./freezes.js";
import { counted } from "./format.js";
import { useResource } from "./resource.js";

/** @typedef {import("../../types/api").Dashboard} Dashboard */
/** @typedef {{ number: number, meaning: string, tone: "warning" | "bad" | "cold" }} Attention */

/** States of a key in which a person has to do something. */
const TROUBLED = /** @type {const} */ (["expiring", "expired", "rejected", "unreachable"]);
const CHANGES = /^(key|bot|assignment|asset|freeze)\./;

/**
 * Reads the totals once for all places; returns what needs attention, by the place's address.
 *
 * @returns {Record<string, Attention>}
 */
export function useAttention() {
  const { data } = /** @type {import("./resource.js").Resource<Dashboard>} */ (useResource(
    "totals",
    (stop) => get("/v1/dashboard", {}, stop),
    (event) => CHANGES.test(event.type),
  ));
  const environments = Object.values(data?.environments ?? {});
  const troubled = environments
    .flatMap(({ keys }) => TROUBLED.map((word) => keys.states[word]))
    .reduce((sum, number) => sum + number, 0);
  const blocked = data?.bots.blocked ?? 0;
  const frozen = freezes.value?.data?.length ?? 0;
  return {
    "/keys": { number: troubled, tone: "bad", meaning: `${counted(troubled, "key needs", "keys need")} attention` },
    "/bots": { number: blocked, tone: "warning", meaning: `${counted(blocked, "bot", "bots")} may open no positions` },
    "/freezes": { number: frozen, tone: "cold", meaning: `${counted(frozen, "freeze", "freezes")} in force` },
  };
}

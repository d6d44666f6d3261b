/** @file Who is signed in, the account's settings, and which environment is shown. */

import { batch, computed, effect, signal } from "../vendor/signals.js";
import { ApiProblem, call, get, patch, sessionEnded } from "./api.js";
import { onEvent } from "./live.js";

/** @typedef {import("../../types/api").Account} Account */

/** @typedef {{ session_id: string, account_id: string, subject: string, scopes: string[], expires_at: string }} Session */

/** The session; null before it is read, and while nobody is signed in. */
export const session = signal(/** @type {Session | null} */ (null));
/** The account's settings; null until they are read. */
export const account = signal(/** @type {Account | null} */ (null));
/** Why neither could be read. */
export const sessionProblem = signal(/** @type {ApiProblem | null} */ (null));

/** The environment whose data the views show, `live` or `testnet`. */
export const environment = computed(() => account.value?.selected_environment ?? "live");
/** The time zone in which times are shown. */
export const timeZone = computed(() => account.value?.timezone ?? "UTC");
/** Whether a choice of environments is offered: only once testnet data exist. */
export const hasTestnet = computed(
  () => account.value?.environments_with_data.includes("testnet") || environment.value === "testnet",
);

const BEFORE_ALL_EVENTS = "0-0";
/** The newest event before any view was read. */
export let newestEvent = BEFORE_ALL_EVENTS;

/**
 * Reads session and account.
 *
 * @returns {Promise<boolean>} whether somebody is signed in
 */
export async function openSession() {
  try {
    const found = await call("GET", "/auth/session");
    const [settings, newest] = await Promise.all([
      get("/v1/account"),
      get("/v1/events", { limit: 1 }).catch(() => ({ items: [] })),
    ]);
    newestEvent = newest.items[0]?.id ?? BEFORE_ALL_EVENTS;
    batch(() => {
      session.value = found;
      account.value = settings;
      sessionProblem.value = null;
    });
    return true;
  } catch (error) {
    if (error instanceof ApiProblem && error.status === 401) return false;
    sessionProblem.value = error instanceof ApiProblem ? error : new ApiProblem(0, {});
    return false;
  }
}

/** Reads the account again, for example after data appeared in another environment. */
export async function reloadAccount() {
  account.value = await get("/v1/account");
}

/**
 * Shows another environment, in every tab and with the next sign-in.
 *
 * @param {"live" | "testnet"} chosen
 */
export async function selectEnvironment(chosen) {
  account.value = await patch("/v1/account", { selected_environment: chosen });
}

/**
 * Whether the session may do what needs `scope`.
 *
 * @param {string} scope
 */
export const may = (scope) => session.value?.scopes.includes(scope) ?? false;

/** Keeps the account's settings fresh: testnet data may appear, another tab may change them. */
export function followAccount() {
  onEvent((event) => {
    const testnet = event?.environment === "testnet" && !hasTestnet.value;
    if (event === null || testnet || /^account\./.test(event.type)) {
      reloadAccount().catch(() => {});
    }
  });
}

/** The page to sign in on, which leads back to what is shown now. */
export const signInAddress = () =>
  `/auth/login?return_to=${encodeURIComponent(location.pathname + location.search)}`;

/** @type {BroadcastChannel | null} */
let channel = null;
/** Reaches this browser's other tabs, which share the session. */
const tabs = () => (channel ??= new BroadcastChannel("botkeys-session"));

/** Ends the session, in all tabs. */
export async function signOut() {
  const answer = await call("POST", "/auth/logout").catch(() => null);
  tabs().postMessage({ ended: "signed_out" });
  location.assign(answer?.location ?? "/sign-in");
}

/** Ends here what ended in another tab: nothing of the account stays on the screen. */
export function followTabs() {
  tabs().onmessage = ({ data }) => {
    if (data.ended === "signed_out") location.replace("/sign-in");
    else sessionEnded.value ??= data.ended;
  };
  effect(() => {
    if (sessionEnded.value !== null) tabs().postMessage({ ended: sessionEnded.value });
  });
}

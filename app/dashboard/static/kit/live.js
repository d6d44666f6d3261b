/**
 * @file The stream of the account's events, shared by all tabs of this browser.
 *
 * A browser opens only six connections to one server over HTTP/1.1, so that a stream in each of
 * seven tabs would stop all of them. The tab that holds a lock reads the stream and passes each
 * event on; when it is closed, the lock goes to another tab.
 */

import { signal } from "../vendor/signals.js";
import { sessionEnded } from "./api.js";
import { serverSentEvents } from "./server_sent.js";

/** @typedef {{ id: string, type: string, at: string, environment: string | null, key_id?: string, bot_id?: string, data: Record<string, unknown> }} AccountEvent */

const PATH = "/v1/events/stream";
const NAME = "botkeys-events";
/** The service sends something at least every 15 seconds. */
const SILENCE_MILLISECONDS = 45_000;
const FIRST_WAIT = 1_000;
const LONGEST_WAIT = 30_000;

/** `live`, `connecting`, or `away`: then what is shown may be old, and is read again in intervals. */
export const stream = signal({ state: "connecting", since: Date.now() });

/** @type {Set<(event: AccountEvent | null) => void>} */
const listeners = new Set();
let started = false;
let lastId = "";

/**
 * Calls `listener` with each event, and with null when events may have been missed.
 *
 * @param {(event: AccountEvent | null) => void} listener
 * @returns {() => void} ends it
 */
export function onEvent(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/**
 * Opens the stream once for the page.
 *
 * @param {string} account the account's id: tabs of two accounts share nothing
 * @param {string} after the newest event before the first view was read: later ones are replayed
 */
export function startLive(account, after) {
  if (started) return;
  started = true;
  lastId = after;
  const channel = new BroadcastChannel(`${NAME}-${account}`);
  channel.onmessage = ({ data }) => receive(data, null);
  const lead = () => follow(channel);
  if (navigator.locks) void navigator.locks.request(`${NAME}-${account}`, lead);
  else void lead();
  channel.postMessage({ ask: true });
}

/**
 * @param {any} message
 * @param {BroadcastChannel | null} channel to pass it on to the other tabs
 */
function receive(message, channel) {
  channel?.postMessage(message);
  if (message.state) setState(message.state);
  if (message.lastId !== undefined) lastId = message.lastId;
  if (!("event" in message)) return;
  for (const listener of [...listeners]) {
    try {
      listener(message.event);
    } catch (error) {
      console.error(error); // a view that fails must not end the stream of all
    }
  }
}

/** @param {string} state */
function setState(state) {
  if (stream.value.state !== state) stream.value = { state, since: Date.now() };
}

/**
 * Reads the stream for as long as this tab lives.
 *
 * @param {BroadcastChannel} channel
 * @returns {Promise<void>}
 */
async function follow(channel) {
  channel.onmessage = ({ data }) => {
    // A tab that was opened later does not know yet how the stream is.
    if (data.ask) channel.postMessage({ state: stream.value.state, lastId });
  };
  let wait = FIRST_WAIT;
  let missed = false;
  while (sessionEnded.value === null) {
    try {
      await read(channel, missed, () => {
        wait = FIRST_WAIT;
        missed = false;
      });
    } catch {
      // Said by the state below; the next attempt follows.
    }
    missed = missed || lastId === "";
    receive({ state: "away" }, channel);
    await new Promise((resolve) => setTimeout(resolve, wait * (0.5 + Math.random() / 2)));
    wait = Math.min(wait * 2, LONGEST_WAIT);
  }
}

/**
 * @param {BroadcastChannel} channel
 * @param {boolean} missed whether events before this connection cannot be replayed
 * @param {() => void} opened
 */
async function read(channel, missed, opened) {
  const stop = new AbortController();
  let silence = setTimeout(() => stop.abort(), SILENCE_MILLISECONDS);
  try {
    const response = await fetch(PATH, {
      headers: {
        Accept: "text/event-stream",
        "X-Botkeys": "1",
        ...(lastId ? { "Last-Event-ID": lastId } : {}),
      },
      credentials: "same-origin",
      signal: stop.signal,
    });
    if (response.status === 401) sessionEnded.value ??= "session_expired";
    if (!response.ok || !response.body) throw new Error(`status ${response.status}`);
    opened();
    receive({ state: "live" }, channel);
    if (missed) receive({ event: null }, channel);
    for await (const sent of serverSentEvents(response.body)) {
      clearTimeout(silence);
      silence = setTimeout(() => stop.abort(), SILENCE_MILLISECONDS);
      if (sent.event === "comment") continue;
      if (sent.event === "ready") receive({ lastId: sent.id }, channel);
      else if (sent.event === "reset") receive({ lastId: sent.id, event: null }, channel);
      else receive({ lastId: sent.id, event: JSON.parse(sent.data) }, channel);
    }
  } finally {
    clearTimeout(silence);
    stop.abort();
  }
}

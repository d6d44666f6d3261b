/** @file Calls of the public API under `/v1`, with the browser's session. */

import { signal } from "../vendor/signals.js";
import { closing } from "./closing.js";

const READ_MILLISECONDS = 20_000;
/** Adding a key waits for the exchange, which may take this long. */
const WRITE_MILLISECONDS = 60_000;

/** Why the session ended ("expired", "revoked" …); null while it holds. */
export const sessionEnded = signal(/** @type {string | null} */ (null));

/**
 * A refusal or a failure, as one sentence for people.
 *
 * `status` is 0 if no answer came, so that what was sent may or may not have been done.
 */
export class ApiProblem extends Error {
  /**
   * @param {number} status
   * @param {Partial<import("../../types/api").Problem>} body
   */
  constructor(status, body) {
    super(body.detail ?? body.title ?? "The service gave no reason.");
    this.name = "ApiProblem";
    this.status = status;
    this.body = body;
    this.code = String(body.code ?? "unknown");
  }

  /** What is wrong, by the name of the field that it is about. */
  get fields() {
    /** @type {Record<string, string>} */
    const found = {};
    for (const fault of this.body.errors ?? []) {
      const place = fault.loc.filter((part) => part !== "body" && part !== "query");
      if (place.length) found[place.map(String).join(".")] ??= fault.msg;
    }
    return found;
  }
}

/**
 * @typedef {object} CallOptions
 * @property {Record<string, unknown>} [query] parameters; undefined, null and "" are left out
 * @property {unknown} [body]
 * @property {Record<string, string>} [headers]
 * @property {AbortSignal} [signal]
 * @property {string} [intent] the Idempotency-Key; pass the same one to try the same change again
 */

/**
 * Sends a request and returns the decoded answer, null for one without content.
 *
 * @param {string} method
 * @param {string} path
 * @param {CallOptions} [options]
 * @returns {Promise<any>}
 * @throws {ApiProblem} for every answer that is not a success, and if none came
 */
export async function call(method, path, options = {}) {
  return (await answer(method, path, options)).body;
}

/**
 * Reads an object with the tag of its version, for the If-Match of a change that is based on it.
 *
 * @param {string} path
 * @param {AbortSignal} [stop]
 * @returns {Promise<{ body: any, tag: string }>}
 */
export const read = (path, stop) => answer("GET", path, stop ? { signal: stop } : {});

/**
 * @param {string} method
 * @param {string} path
 * @param {CallOptions} options
 */
async function answer(method, path, options) {
  const { response, body } = await exchange(method, path, options);
  if (response.ok) return { body, tag: response.headers.get("etag") ?? "" };
  const problem = new ApiProblem(response.status, body ?? notOurs(response.status));
  if (response.status === 401) sessionEnded.value ??= problem.code;
  if (problem.code === "account_closing") closing.value ??= problem.body.operation_id ?? null;
  throw problem;
}

/**
 * @param {string} method
 * @param {string} path
 * @param {CallOptions} options
 */
async function exchange(method, path, options) {
  const limit = AbortSignal.timeout(method === "GET" ? READ_MILLISECONDS : WRITE_MILLISECONDS);
  const stopped = options.signal ? AbortSignal.any([options.signal, limit]) : limit;
  try {
    const response = await fetch(address(path, options.query), {
      method,
      headers: headersOf(method, options),
      body: options.body === undefined ? null : JSON.stringify(options.body),
      signal: stopped,
      credentials: "same-origin",
      redirect: "error",
    });
    const type = response.headers.get("content-type") ?? "";
    const text = /\bjson\b/.test(type) ? await response.text() : "";
    if (response.ok && !text && response.status !== 204) {
      throw new ApiProblem(response.status, notOurs(response.status));
    }
    return { response, body: text ? JSON.parse(text) : null };
  } catch (error) {
    if (error instanceof ApiProblem || options.signal?.aborted) throw error;
    throw new ApiProblem(0, noAnswer(method));
  }
}

/** @param {string} method */
function noAnswer(method) {
  const detail =
    method === "GET"
      ? "The service did not answer. Check your connection; this page tries again by itself."
      : "The service did not answer, so it is not known whether the change was made. Trying " +
        "again is safe: the same change is never made twice.";
  return { code: "no_answer", title: "No answer", detail };
}

/** @param {number} status */
function notOurs(status) {
  return {
    code: "not_the_service",
    title: "Another server answered",
    detail: `Something between this page and the service answered (status ${status}). Try again.`,
  };
}

/**
 * @param {string} method
 * @param {CallOptions} options
 */
function headersOf(method, options) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json", "X-Botkeys": "1", ...options.headers };
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  if (method === "POST") headers["Idempotency-Key"] = options.intent ?? crypto.randomUUID();
  return headers;
}

/**
 * Returns a path with its query.
 *
 * @param {string} path
 * @param {Record<string, unknown>} [query]
 */
export function address(path, query = {}) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === null || value === "") continue;
    for (const one of Array.isArray(value) ? value : [value]) parameters.append(name, String(one));
  }
  const text = parameters.toString();
  return text ? `${path}?${text}` : path;
}

/** @type {(path: string, query?: Record<string, unknown>, signal?: AbortSignal) => Promise<any>} */
export const get = (path, query, stop) => call("GET", path, stop ? { query, signal: stop } : { query });
/** @type {(path: string, body?: unknown, options?: CallOptions) => Promise<any>} */
export const post = (path, body, options) => call("POST", path, { ...options, body });
/** @type {(path: string, body: unknown, options?: CallOptions) => Promise<any>} */
export const put = (path, body, options) => call("PUT", path, { ...options, body });
/** @type {(path: string, body: unknown, options?: CallOptions) => Promise<any>} */
export const patch = (path, body, options) => call("PATCH", path, { ...options, body });
/** @type {(path: string, options?: CallOptions) => Promise<any>} */
export const remove = (path, options) => call("DELETE", path, options);

/**
 * Returns one part of an address: a symbol may hold a slash or a colon.
 *
 * @param {string} text
 */
export const part = (text) => encodeURIComponent(text);

/**
 * Yields every item of a list, page after page.
 *
 * @param {string} path
 * @param {Record<string, unknown>} [query]
 * @param {AbortSignal} [stop]
 */
export async function* everyItem(path, query = {}, stop) {
  let cursor = null;
  do {
    const page = await get(path, { ...query, cursor }, stop);
    yield* page.items;
    cursor = page.next_cursor;
  } while (cursor);
}

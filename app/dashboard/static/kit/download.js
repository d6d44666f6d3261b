/** @file Saves a list of the service as a file, as it arrives. */

import { address, ApiProblem } from "./api.js";

/** The most bytes that are held in memory, in browsers that let no page write to a file. */
const MOST_HELD = 256 * 1024 * 1024;
/** How long the service may send nothing. */
const SILENCE_MILLISECONDS = 60_000;

/**
 * @typedef {object} Sink
 * @property {(chunk: Uint8Array) => Promise<void>} write
 * @property {() => Promise<void>} finish
 * @property {() => Promise<void>} giveUp
 */

/**
 * Saves what the service answers. Where the browser has the File System API, a person first chooses
 * a file and each part is written as it arrives; elsewhere the file is held in memory, up to a limit.
 *
 * @param {string} path
 * @param {Record<string, unknown>} query
 * @param {{ type: string, name: string, stop: AbortSignal, onBytes: (bytes: number) => void }} options
 * @returns {Promise<boolean>} whether a file was saved; false if the person chose none or stopped it
 * @throws {ApiProblem}
 */
export async function download(path, query, { type, name, stop, onBytes }) {
  const sink = await sinkFor(name, type);
  if (sink === null) return false;
  const silent = new AbortController();
  let timer = setTimeout(() => silent.abort(), SILENCE_MILLISECONDS);
  try {
    const response = await fetch(address(path, query), {
      headers: { Accept: type, "X-Botkeys": "1" },
      credentials: "same-origin",
      redirect: "error",
      signal: AbortSignal.any([stop, silent.signal]),
    });
    if (!response.ok) throw await problemOf(response);
    if (!response.body || !response.headers.get("content-type")?.startsWith(type)) {
      throw new ApiProblem(0, { detail: "Something between this page and the service answered. Nothing was saved." });
    }
    let bytes = 0;
    const reader = response.body.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(), SILENCE_MILLISECONDS);
      await sink.write(part.value);
      bytes += part.value.length;
      onBytes(bytes);
    }
    await sink.finish();
    return true;
  } catch (error) {
    await sink.giveUp().catch(() => {});
    if (stop.aborted) return false;
    if (error instanceof ApiProblem) throw error;
    throw new ApiProblem(0, { detail: "The export broke off before its end, so nothing was saved. Try again." });
  } finally {
    clearTimeout(timer);
    silent.abort();
  }
}

/** @param {Response} response */
async function problemOf(response) {
  const body = await response.json().catch(() => ({}));
  return new ApiProblem(response.status, body);
}

/**
 * Returns where the file goes, null if the person chose no place.
 *
 * @param {string} name
 * @param {string} type
 * @returns {Promise<Sink | null>}
 */
async function sinkFor(name, type) {
  const choose = /** @type {any} */ (window).showSaveFilePicker;
  if (typeof choose !== "function") return heldInMemory(name, type);
  const ending = name.slice(name.lastIndexOf("."));
  try {
    const file = await choose({ suggestedName: name, types: [{ accept: { [type]: [ending] } }] });
    // What is written counts only once it is closed.
    const writable = await file.createWritable();
    return {
      write: (chunk) => writable.write(chunk),
      finish: () => writable.close(),
      giveUp: () => writable.abort(),
    };
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return null;
    return heldInMemory(name, type);
  }
}

/**
 * @param {string} name
 * @param {string} type
 * @returns {Sink}
 */
function heldInMemory(name, type) {
  /** @type {BlobPart[]} */
  let parts = [];
  let bytes = 0;
  return {
    async write(chunk) {
      bytes += chunk.length;
      if (bytes > MOST_HELD) {
        throw new ApiProblem(0, {
          detail:
            "This list is larger than this browser can save from a page. Choose a shorter period, " +
            "or read it from the API.",
        });
      }
      parts.push(/** @type {BlobPart} */ (chunk));
    },
    async finish() {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob(parts, { type }));
      link.download = name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    },
    async giveUp() {
      parts = [];
    },
  };
}

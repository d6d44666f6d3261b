/** @file What a view shows of the service: read once, read again when it changed. */

import { useEffect, useRef, useState } from "../vendor/hooks.js";
import { ApiProblem } from "./api.js";
import { onEvent, stream } from "./live.js";

/** Events come in bursts; one reading answers all of a burst. */
const SETTLE_MILLISECONDS = 250;
/** Milliseconds between two readings while the stream is away. */
const POLL_MILLISECONDS = 15_000;

/**
 * @template T
 * @typedef {object} Resource
 * @property {T | null} data the latest that was read, kept while it is read again
 * @property {ApiProblem | null} problem of the latest reading
 * @property {boolean} loading
 * @property {number | null} at when `data` was read
 * @property {() => Promise<void>} reload
 */

/**
 * Reads with `load` when the view opens, when `key` changes, and after events that `matches`.
 *
 * @template T
 * @param {string} key names what is read: another key reads another thing
 * @param {(stop: AbortSignal) => Promise<T>} load
 * @param {(event: import("./live.js").AccountEvent) => boolean} [matches] none if left out
 * @returns {Resource<T>}
 */
export function useResource(key, load, matches = () => false) {
  const [state, setState] = useState(
    /** @type {{ key: string, data: T | null, problem: ApiProblem | null, loading: boolean, at: number | null }} */ ({
      key,
      data: null,
      problem: null,
      loading: true,
      at: null,
    }),
  );
  const latest = useRef({ load, matches });
  latest.current = { load, matches };
  const reload = useRef(async () => {});

  useEffect(() => {
    let stop = new AbortController();
    let timer = 0;
    let reading = false;
    let again = false;
    const read = async () => {
      stop.abort();
      reading = true;
      again = false;
      const own = (stop = new AbortController());
      setState((now) => ({ ...(now.key === key ? now : blank(key)), loading: true }));
      try {
        const data = await latest.current.load(own.signal);
        if (!own.signal.aborted) setState({ key, data, problem: null, loading: false, at: Date.now() });
      } catch (error) {
        if (own.signal.aborted) return;
        const problem = error instanceof ApiProblem ? error : failure(error);
        setState((now) => ({ ...now, problem, loading: false }));
      } finally {
        if (!own.signal.aborted) {
          reading = false;
          if (again) soon();
        }
      }
    };
    // However fast events come, a reading that began is finished, and the next one begins in time.
    const soon = () => {
      timer ||= window.setTimeout(() => {
        timer = 0;
        if (reading) again = true;
        else void read();
      }, SETTLE_MILLISECONDS);
    };
    reload.current = read;
    const ended = onEvent((event) => {
      if (event === null || latest.current.matches(event)) soon();
    });
    const poll = window.setInterval(() => {
      if (stream.value.state === "away" && document.visibilityState === "visible") void read();
    }, POLL_MILLISECONDS);
    void read();
    return () => {
      ended();
      clearTimeout(timer);
      clearInterval(poll);
      stop.abort();
    };
  }, [key]);

  const shown = state.key === key ? state : blank(key);
  return { ...shown, reload: () => reload.current() };
}

/**
 * Reads again when `value` changes, such as a count that something else read.
 *
 * @param {unknown} value
 * @param {() => Promise<void>} reload
 */
export function useReloadOn(value, reload) {
  const before = useRef(value);
  useEffect(() => {
    if (before.current === value) return;
    before.current = value;
    void reload();
  }, [value]);
}

/**
 * @param {string} key
 * @returns {any}
 */
const blank = (key) => ({ key, data: null, problem: null, loading: true, at: null });

/** @param {unknown} error */
function failure(error) {
  console.error(error);
  return new ApiProblem(0, { code: "page_failure", detail: "This page failed. Load it again." });
}

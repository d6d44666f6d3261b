/** How often a bot calls, and how it keeps calling through an outage. */

import { BotClientError, NotAuthenticated, Refused } from "./errors.js";

const LONGEST_WISH = 60;
const LONGEST_JITTER = 2;

/**
 * Intervals in seconds. `heartbeat` fits more than twice into the service's lease of 30 s; a service
 * with many bots asks for a longer one.
 *
 * A stream that is silent for `streamIdle` is considered broken. It is opened again after the pause
 * that the service asks for, at least `shortestPause`. While that fails, the configuration is polled
 * at each attempt, the pauses growing up to `longestPause`. Credentials are checked `firstCheck`
 * after they were opened and then every `check`, or after `checkAgain` if the check was
 * inconclusive. A record waits up to `records` for others to share its batch. Counts of resting
 * orders are repeated every `orders`.
 */
export interface Pace {
  readonly heartbeat: number;
  readonly streamIdle: number;
  readonly shortestPause: number;
  readonly longestPause: number;
  readonly firstCheck: number;
  readonly check: number;
  readonly checkAgain: number;
  readonly records: number;
  readonly orders: number;
}

export const USUAL_PACE: Pace = {
  heartbeat: 10,
  streamIdle: 45,
  shortestPause: 0.5,
  longestPause: 15,
  firstCheck: 2,
  check: 86_400,
  checkAgain: 600,
  records: 3,
  orders: 60,
};

/** The end of a wait because its signal was aborted. It never leaves this package. */
export class Stopped extends Error {}

/** The longest delay that a timer has, 24 days: a longer one would end at once. */
const LONGEST_DELAY = 2 ** 31 - 1;

function milliseconds(seconds: number): number {
  return Math.min(seconds * 1000, LONGEST_DELAY);
}

/** Wait, for 24 days at most. Throws Stopped once the signal is aborted. */
export function sleep(seconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(new Stopped());
      return;
    }
    const stop = (): void => {
      clearTimeout(timer);
      reject(new Stopped());
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, milliseconds(seconds));
    signal.addEventListener("abort", stop, { once: true });
  });
}

/** Return the promise's result. Throws Stopped if the signal is aborted first. */
export async function unlessStopped<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop = (): void => {};
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(new Stopped());
    if (signal.aborted) {
      stop();
    } else {
      signal.addEventListener("abort", stop, { once: true });
    }
  });
  try {
    return await Promise.race([promise, stopped]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Call with a signal that is aborted after these seconds, or when the outer one is. */
export async function within<T>(
  seconds: number,
  outer: AbortSignal | undefined,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const inner = new AbortController();
  const stop = (): void => inner.abort();
  const timer = setTimeout(stop, milliseconds(seconds));
  if (outer?.aborted) {
    stop();
  }
  outer?.addEventListener("abort", stop, { once: true });
  try {
    return await call(inner.signal);
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener("abort", stop);
  }
}

/** Return the seconds within 10 %: bots that started together need not call together. */
export function jittered(seconds: number): number {
  return seconds * (0.9 + Math.random() * 0.2);
}

/**
 * Call until it succeeds, however long that takes, with growing pauses.
 *
 * No pause exceeds the heartbeat's interval, so that a service that is back soon sees its bots
 * online, and is called no more often than usual. Errors that are `final` and a refused token are
 * thrown at once, and so is whatever is not of this package.
 */
export async function retryThroughOutages<T>(
  call: () => Promise<T>,
  pace: Pace,
  signal: AbortSignal,
  final: (error: unknown) => boolean = () => false,
): Promise<T> {
  const longest = Math.min(pace.longestPause, pace.heartbeat);
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof BotClientError) || error instanceof NotAuthenticated || final(error)) {
        throw error;
      }
      const wish = error instanceof Refused ? error.retryAfter : null;
      const grown = pace.shortestPause * 2 ** Math.min(attempt, 20);
      const pause =
        wish === null
          ? Math.min(grown + Math.random() * Math.min(longest, LONGEST_JITTER), longest)
          : Math.max(jittered(Math.min(wish, LONGEST_WISH)), pace.shortestPause);
      await sleep(pause, signal);
    }
  }
}

/** A flag that can be waited for. */
export class Flag {
  #set = false;
  readonly #waiting = new Set<() => void>();

  set(): void {
    this.#set = true;
    for (const wake of [...this.#waiting]) {
      wake();
    }
  }

  clear(): void {
    this.#set = false;
  }

  /** Wait until it is set. Throws Stopped. */
  async wait(signal: AbortSignal): Promise<void> {
    if (this.#set) {
      return;
    }
    let wake = (): void => {};
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    this.#waiting.add(wake);
    try {
      await unlessStopped(woken, signal);
    } finally {
      this.#waiting.delete(wake);
    }
  }

  /** Wait until it is set, at most these seconds. Throws Stopped. */
  async waitAtMost(seconds: number, signal: AbortSignal): Promise<void> {
    try {
      await within(seconds, signal, (both) => this.wait(both));
    } catch (error) {
      if (!(error instanceof Stopped) || signal.aborted) {
        throw error;
      }
    }
  }
}

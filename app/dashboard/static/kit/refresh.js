/** @file Reads again what no event announces, such as trades and snapshots of bots. */

import { useEffect, useRef } from "../vendor/hooks.js";

/** Further down than this, new rows at the top would not be seen. */
const NEAR_TOP = 400;
const EVERY_MILLISECONDS = 30_000;

/**
 * Calls `reload` every 30 seconds while the top of the page is in sight.
 *
 * @param {() => unknown} reload
 */
export function useRefresh(reload) {
  const latest = useRef(reload);
  latest.current = reload;
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === "visible" && scrollY < NEAR_TOP) latest.current();
    }, EVERY_MILLISECONDS);
    return () => clearInterval(timer);
  }, []);
}

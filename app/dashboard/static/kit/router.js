/** @file Which view is shown: the browser's address, without loading the page again. */

import { signal } from "../vendor/signals.js";

const here = () => ({
  path: location.pathname,
  query: /** @type {Record<string, string>} */ (Object.fromEntries(new URLSearchParams(location.search))),
});

/** The address that is shown. */
export const route = signal(here());

/**
 * Goes to another view.
 *
 * @param {string} address
 * @param {{ replace?: boolean }} [options]
 */
export function go(address, { replace = false } = {}) {
  const target = new URL(address, location.href);
  if (target.origin !== location.origin) throw new Error("another origin");
  const samePath = target.pathname === location.pathname;
  history[replace ? "replaceState" : "pushState"](null, "", target);
  route.value = here();
  if (!samePath) window.scrollTo(0, 0);
}

/**
 * Changes parameters of the address; those with an empty value go.
 *
 * @param {Record<string, string | null | undefined>} changes
 */
export function setQuery(changes) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value) query.set(name, value);
    else query.delete(name);
  }
  go(`${location.pathname}?${query}`.replace(/\?$/, ""), { replace: true });
}

/** Follows links of this site, and the browser's back and forward. */
export function startRouter() {
  addEventListener("popstate", () => (route.value = here()));
  document.addEventListener("click", (event) => {
    const link = /** @type {Element} */ (event.target).closest?.("a[href]");
    if (!(link instanceof HTMLAnchorElement) || event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    if (link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (/^\/(auth|v1|docs|assets|openapi\.json)\b/.test(link.pathname)) return;
    if (link.pathname === location.pathname && link.hash) return;
    event.preventDefault();
    go(link.href);
  });
}

/**
 * Returns the parameters of a path if it has the pattern, else null.
 *
 * @param {string} pattern such as `/keys/:id`
 * @param {string} path
 * @returns {Record<string, string> | null}
 */
export function matched(pattern, path) {
  const wanted = pattern.split("/");
  const given = path.split("/");
  if (wanted.length !== given.length) return null;
  /** @type {Record<string, string>} */
  const found = {};
  for (const [place, word] of wanted.entries()) {
    const value = given[place] ?? "";
    if (word.startsWith(":")) {
      try {
        found[word.slice(1)] = decodeURIComponent(value);
      } catch {
        return null; // broken escapes name nothing
      }
    } else if (word !== value) return null;
  }
  return found;
}

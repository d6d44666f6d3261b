/** @file A list of the service, read page by page while a table is scrolled. */

import { useEffect, useRef, useState } from "../vendor/hooks.js";
import { ApiProblem, get } from "./api.js";
import { useResource } from "./resource.js";

/** Items of one page: what fits on a large screen several times. */
const PAGE = 100;

/**
 * Reads a list; after an event that `matches`, what was read is read again in as many pages.
 *
 * @template T
 * @param {string} path
 * @param {Record<string, unknown>} query
 * @param {(event: import("./live.js").AccountEvent) => boolean} [matches]
 */
export function useListing(path, query, matches) {
  const key = `${path} ${JSON.stringify(query)}`;
  const wanted = useRef({ key, pages: 1 });
  if (wanted.current.key !== key) wanted.current = { key, pages: 1 };
  const resource = useResource(
    key,
    async (stop) => {
      /** @type {T[]} */
      const items = [];
      let cursor = null;
      let first = null;
      for (let page = 0; page < wanted.current.pages; page++) {
        const read = await get(path, { limit: PAGE, ...query, cursor }, stop);
        items.push(...read.items);
        first ??= read;
        cursor = read.next_cursor;
        if (!cursor) break;
      }
      return { items, cursor, first };
    },
    matches,
  );
  const [added, setAdded] = useState(/** @type {{ to: unknown, items: T[], cursor: string | null } | null} */ (null));
  const busy = useRef(false);
  const [problem, setProblem] = useState(/** @type {ApiProblem | null} */ (null));
  useEffect(() => setProblem(null), [resource.data]);

  const current = added && added.to === resource.data ? added : null;
  const items = [...(resource.data?.items ?? []), ...(current?.items ?? [])];
  const cursor = current ? current.cursor : (resource.data?.cursor ?? null);
  const more = async () => {
    if (busy.current || !cursor || !resource.data || problem) return;
    busy.current = true;
    const to = resource.data;
    try {
      const read = await get(path, { limit: PAGE, ...query, cursor });
      wanted.current.pages += 1;
      setAdded((now) => ({
        to,
        items: [...(now?.to === to ? now.items : []), ...read.items],
        cursor: read.next_cursor,
      }));
    } catch (error) {
      if (error instanceof ApiProblem) setProblem(error);
    } finally {
      busy.current = false;
    }
  };
  return {
    items,
    more: () => void more(),
    complete: resource.data !== null && cursor === null,
    loaded: resource.data !== null,
    problem: resource.problem ?? problem,
    reload: resource.reload,
    at: resource.at,
    /** The first page as the service sent it, with what it says of the whole list. */
    first: resource.data?.first ?? null,
  };
}

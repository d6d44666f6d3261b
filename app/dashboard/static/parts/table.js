/**
 * @file A table that draws only the rows in sight, however many there are.
 *
 * The rows scroll with the page, not in a box of their own. On a narrow screen a row folds to two
 * lines: the columns of rank 1 first, those of rank 2 below them, others are left out.
 */

import { html, useEffect, useRef, useState } from "../kit/html.js";

const ROW = 48;
const FOLDED_ROW = 76;
/** Rows drawn beyond the edges of the window. */
const MARGIN = 8;
/** Rows before the end at which the next page is asked for. */
const AHEAD = 40;
const NARROW = matchMedia("(max-width: 720px)");

/**
 * @template T
 * @typedef {object} Column
 * @property {string} name
 * @property {string} title
 * @property {(item: T) => any} cell
 * @property {string} [width] a track of CSS grid; an equal share if left out
 * @property {1 | 2 | 3} [rank] 3 if left out
 * @property {string} [sort] the name by which the service sorts; not sortable if left out
 * @property {boolean} [end] aligned to the end, as numbers are
 */

/**
 * @template T
 * @param {{ label: string, columns: Column<T>[], items: T[], keyOf: (item: T) => string,
 *   more?: (() => void) | null, complete?: boolean, sort?: string, onSort?: (sort: string) => void }} props
 *   `more` asks for the next page; `sort` is a name of a column, with a minus for descending.
 */
export function Table({ label, columns, items, keyOf, more = null, complete = true, sort = "", onSort }) {
  const body = useRef(/** @type {HTMLElement | null} */ (null));
  const [narrow, setNarrow] = useState(NARROW.matches);
  const [range, setRange] = useState({ from: 0, to: 40 });
  const height = narrow ? FOLDED_ROW : ROW;

  useEffect(() => {
    let asked = 0;
    const measure = () => {
      asked = 0;
      setNarrow(NARROW.matches);
      const rows = body.current;
      if (!rows) return;
      const above = Math.max(0, -rows.getBoundingClientRect().top);
      const from = Math.max(0, Math.floor(above / height) - MARGIN);
      const to = Math.ceil((above + innerHeight) / height) + MARGIN;
      setRange((now) => (now.from === from && now.to === to ? now : { from, to }));
    };
    const soon = () => (asked ||= requestAnimationFrame(measure));
    measure();
    addEventListener("scroll", soon, { passive: true });
    addEventListener("resize", soon);
    return () => {
      cancelAnimationFrame(asked);
      removeEventListener("scroll", soon);
      removeEventListener("resize", soon);
    };
  }, [height]);

  useEffect(() => {
    if (more && !complete && range.to + AHEAD >= items.length) more();
  }, [range.to, items.length, complete]);

  const seen = items.slice(range.from, range.to);
  const tracks = columns.map((column) => column.width ?? "minmax(0, 1fr)").join(" ");
  const count = complete ? items.length + 1 : -1;
  return html`
    <div class="table ${narrow ? "narrow" : ""}" role="table" aria-label=${label}
    aria-rowcount=${count} style=${{ "--tracks": tracks, "--row": `${height}px` }}>
    <div role="rowgroup" class="head">
      <div role="row" aria-rowindex="1" class="row">
        ${columns.map((column) => html`<${Heading} key=${column.name} column=${column} sort=${sort} onSort=${onSort} />`)}
      </div>
    </div>
    <div role="rowgroup" class="body" ref=${body} style=${{ height: `${items.length * height}px` }}>
      ${seen.map((item, place) => {
        const index = range.from + place;
        return html`<div role="row" class="row" key=${keyOf(item)} aria-rowindex=${index + 2}
          style=${{ transform: `translateY(${index * height}px)` }}>
          ${columns.map(
            (column) => html`<div role="cell" key=${column.name} data-column=${column.name}
              class="cell rank${column.rank ?? 3} ${column.end ? "end" : ""}">${column.cell(item)}</div>`,
          )}
        </div>`;
      })}
    </div>
    </div>
    ${!complete && html`<p class="loading" role="status">Reading more…</p>`}`;
}

/** @param {{ column: Column<any>, sort: string, onSort?: (sort: string) => void }} props */
function Heading({ column, sort, onSort }) {
  const descending = sort === `-${column.sort}`;
  const sorted = column.sort !== undefined && (sort === column.sort || descending);
  const state = sorted ? (descending ? "descending" : "ascending") : undefined;
  return html`<div role="columnheader" aria-sort=${state}
    class="cell rank${column.rank ?? 3} ${column.end ? "end" : ""}">
    ${column.sort && onSort
      ? html`<button type="button" class="heading"
          onClick=${() => onSort(sorted && !descending ? `-${column.sort}` : `${column.sort}`)}>
          ${column.title} <span aria-hidden="true">${sorted ? (descending ? "↓" : "↑") : ""}</span>
        </button>`
      : column.title}
  </div>`;
}

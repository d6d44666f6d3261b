/** @file What a view shows when there is nothing to show: loading, a failure, nothing yet. */

import { html } from "../kit/html.js";

/**
 * Shows the children once data are there; until then why they are not.
 *
 * @param {{ resource: import("../kit/resource.js").Resource<any>, children: (data: any) => any, what?: string }} props
 */
export function Loaded({ resource, children, what = "this" }) {
  const { data, problem, reload } = resource;
  return html`
    ${problem && html`<${Failure} problem=${problem} retry=${reload} stale=${data !== null} />`}
    ${data !== null ? children(data) : !problem && html`<p class="loading" role="status">Reading ${what}…</p>`}
  `;
}

/** @param {{ problem: Error, retry: () => void, stale?: boolean }} props */
export function Failure({ problem, retry, stale = false }) {
  return html`<div class="problem box" role="alert">
    <p>${problem.message}${stale ? " What is shown below was read before." : ""}</p>
    <button type="button" class="small" onClick=${retry}>Try again</button>
  </div>`;
}

/**
 * Says that there is nothing yet, and what to do next.
 *
 * @param {{ title: string, children?: any }} props
 */
export function Empty({ title, children }) {
  return html`<div class="empty"><h2>${title}</h2>${children}</div>`;
}

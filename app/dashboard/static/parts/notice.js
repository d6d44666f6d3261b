/** @file Short notes at the page's edge: what was done, or what failed apart from any field. */

import { signal } from "../vendor/signals.js";
import { html, useEffect } from "../kit/html.js";

const SHOWN_MILLISECONDS = 8_000;

/** @typedef {{ id: number, kind: "done" | "failed", text: string }} Note */

const notes = signal(/** @type {Note[]} */ ([]));
let last = 0;

/** @param {string} text */
export const done = (text) => add("done", text);

/** @param {unknown} error a failure; an `ApiProblem` has a sentence for people */
export const failed = (error) =>
  add("failed", error instanceof Error ? error.message : "This page failed. Load it again.");

/**
 * @param {Note["kind"]} kind
 * @param {string} text
 */
function add(kind, text) {
  notes.value = [...notes.value.slice(-3), { id: ++last, kind, text }];
}

/** @param {number} id */
const drop = (id) => (notes.value = notes.value.filter((note) => note.id !== id));

/** The notes, announced by screen readers. */
export function Notices() {
  return html`<div class="notices" role="status" aria-live="polite">
    ${notes.value.map((note) => html`<${Notice} key=${note.id} note=${note} />`)}
  </div>`;
}

/** @param {{ note: Note }} props */
function Notice({ note }) {
  useEffect(() => {
    if (note.kind === "failed") return; // stays until it is read
    const timer = setTimeout(() => drop(note.id), SHOWN_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [note.id]);
  return html`<div class="notice ${note.kind}">
    <span dir="auto">${note.text}</span>
    <button type="button" class="quiet" aria-label="Dismiss" onClick=${() => drop(note.id)}>×</button>
  </div>`;
}

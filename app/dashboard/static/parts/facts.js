/** @file All facts of one row, in a dialog. */

import { html } from "../kit/html.js";
import { ago, clock, day, time } from "../kit/format.js";
import { Dialog } from "./dialog.js";

/** @typedef {[term: string, value: any]} Fact a value of null, undefined or "" leaves the fact out */

/** @param {{ facts: Fact[] }} props */
export const Facts = ({ facts }) => html`<dl class="facts">
  ${facts
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([term, value]) => html`<dt key=${term}>${term}</dt><dd>${value}</dd>`)}
</dl>`;

/**
 * A moment in two lines, day and time.
 *
 * @param {{ at: string }} props
 */
export const When = ({ at }) => html`<time datetime=${at} title="${time(at)}, ${ago(at)}" class="stack">
  <span>${day(at)}</span><span class="faint">${clock(at)}</span>
</time>`;

/** @param {{ title: string, facts: Fact[], children?: any, onClose: () => void }} props */
export const FactsDialog = ({ title, facts, children, onClose }) =>
  html`<${Dialog} title=${title} onClose=${onClose}><${Facts} facts=${facts} />${children}<//>`;

/** @file A confirmation that has to be typed, for what cannot be undone. */

import { html } from "../kit/html.js";
import { Field } from "./form.js";

/** @param {{ phrase: string, value: string, onChange: (text: string) => void }} props */
export const Typed = ({ phrase, value, onChange }) => html`<${Field} label=${`Type “${phrase}” to confirm`}>
  ${(/** @type {any} */ attributes) => html`<input ...${attributes} value=${value} autocomplete="off" autocapitalize="off"
    spellcheck=${false} onInput=${(/** @type {any} */ event) => onChange(event.target.value)} />`}
<//>`;

/**
 * Whether the phrase was typed; upper and lower case are alike.
 *
 * @param {string} phrase
 * @param {string} text
 */
export const isTyped = (phrase, text) => text.trim().toLowerCase() === phrase.toLowerCase();

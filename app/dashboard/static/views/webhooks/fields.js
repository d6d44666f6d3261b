/** @file The fields of a webhook: format, address and types of events. */

import { EVENT_TYPES } from "../../kit/event_types.js";
import { html } from "../../kit/html.js";
import { Field } from "../../parts/form.js";
import { ADDRESSES, FORMATS } from "./words.js";

/** @typedef {{ url: string, format: string, types: string[], all: boolean }} Wanted */

/** What most people want to hear of: the rest is routine. */
const USUAL = [
  "key.expiring",
  "key.expired",
  "key.credentials_rejected",
  "key.withdrawal_permission",
  "key.released_from_new_address",
  "release.refused",
  "bot.offline",
  "position.unexpected",
  "freeze.added",
];

/** @type {Wanted} */
export const NEW = { url: "", format: "standard", types: USUAL, all: false };

/** The types as the service takes them: none stands for all. @param {Wanted} wanted */
export const typesOf = ({ all, types }) => (all ? [] : types);

/** Whether the choice can be sent. @param {Wanted} wanted */
export const isComplete = ({ url, all, types }) => url.trim() !== "" && (all || types.length > 0);

/**
 * @param {{ wanted: Wanted, problem: import("../../kit/api.js").ApiProblem | null, onChange: (change: Partial<Wanted>) => void }} props
 */
export function WebhookFields({ wanted, problem, onChange }) {
  const { url, format, types, all } = wanted;
  const toggle = (/** @type {string} */ type) =>
    onChange({ types: types.includes(type) ? types.filter((one) => one !== type) : [...types, type] });
  return html`
    <${Field} label="Format" error=${problem?.fields.format}>
      ${(/** @type {any} */ attributes) => html`<select ...${attributes} value=${format}
        onChange=${(/** @type {any} */ event) => onChange({ format: event.target.value })}>
        ${Object.entries(FORMATS).map(([name, title]) => html`<option value=${name}>${title}</option>`)}
      </select>`}
    <//>
    <${Field} label="Address" help=${ADDRESSES[format]} error=${problem?.fields.url}>
      ${(/** @type {any} */ attributes) => html`<input ...${attributes} name="url" type="url" required value=${url}
        autocomplete="off" translate=${false} spellcheck=${false} placeholder="https://"
        onInput=${(/** @type {any} */ event) => onChange({ url: event.target.value })} />`}
    <//>
    <fieldset class="choices">
      <legend>Events to send</legend>
      <label class="choice"><input type="radio" name="which" checked=${!all} onChange=${() => onChange({ all: false })} />
        <span>Those chosen here</span></label>
      <label class="choice"><input type="radio" name="which" checked=${all} onChange=${() => onChange({ all: true })} />
        <span>All, also of types that are added later</span></label>
    </fieldset>
    ${!all && html`<fieldset class="choices types">
      <legend class="unseen">Types of events</legend>
      ${Object.entries(EVENT_TYPES).map(([type, title]) => html`<label class="choice" key=${type}>
        <input type="checkbox" checked=${types.includes(type)} onChange=${() => toggle(type)} />
        <span>${title}</span></label>`)}
    </fieldset>`}
    ${problem?.fields.types && html`<p class="problem" role="alert">${problem.fields.types}</p>`}
  `;
}

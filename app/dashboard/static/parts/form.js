/** @file Fields with their help and their error beside them. */

import { html, useId, useState } from "../kit/html.js";
import { ApiProblem } from "../kit/api.js";

/**
 * A labelled field. `children` is a function that gets the attributes of the input.
 *
 * @param {{ label: string, help?: any, error?: string | undefined, children: (attributes: Record<string, any>) => any }} props
 */
export function Field({ label, help, error, children }) {
  const id = useId();
  const described = [help && `${id}-help`, error && `${id}-error`].filter(Boolean).join(" ");
  return html`<div class="field">
    <label for=${id}>${label}</label>
    ${children({ id, "aria-describedby": described || undefined, "aria-invalid": error ? "true" : undefined })}
    ${help && html`<p class="help" id="${id}-help">${help}</p>`}
    ${error && html`<p class="problem" id="${id}-error">${error}</p>`}
  </div>`;
}

/** Attributes of an input that takes a secret: nothing keeps, translates or corrects it. */
export const SECRET = {
  type: "password",
  autocomplete: "off",
  translate: false, // a boolean property; the text "no" would mean yes
  spellcheck: false,
  autocapitalize: "off",
  autocorrect: "off",
  "data-1p-ignore": true,
  "data-lpignore": "true",
};

/**
 * Sends a form: keeps whether it is busy, and the refusal by field.
 *
 * The same change is tried again under the same Idempotency-Key for as long as no answer came.
 *
 * @template T
 * @param {(intent: string) => Promise<T>} send
 */
export function useSubmit(send) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState(/** @type {ApiProblem | null} */ (null));
  const [intent, setIntent] = useState(() => crypto.randomUUID());
  /** @returns {Promise<T | null>} null if it was refused or failed */
  const submit = async (/** @type {Event | undefined} */ event) => {
    event?.preventDefault();
    if (busy) return null;
    setBusy(true);
    setProblem(null);
    try {
      const answer = await send(intent);
      setIntent(crypto.randomUUID());
      return answer;
    } catch (error) {
      if (!(error instanceof ApiProblem)) throw error;
      if (error.status !== 0) setIntent(crypto.randomUUID());
      setProblem(error);
      return null;
    } finally {
      setBusy(false);
    }
  };
  /** Makes what is sent next another change, not another attempt: something was edited. */
  const edited = () => {
    if (problem?.status === 0) setIntent(crypto.randomUUID());
  };
  return { busy, problem, submit, edited, clear: () => setProblem(null) };
}

/**
 * The version on which an edit is based: the one that was shown when it began.
 *
 * @param {string} tag of what is shown now
 * @param {() => Promise<void>} reload
 */
export function useBase(tag, reload) {
  const [base, setBase] = useState(tag);
  return {
    tag: base || tag,
    /**
     * Waits for a change that has If-Match. If somebody else changed the object, what is shown is
     * read again, and the next attempt is based on that.
     *
     * @template T
     * @param {Promise<T>} change
     * @returns {Promise<T>}
     */
    guarded: async (change) => {
      try {
        return await change;
      } catch (error) {
        if (error instanceof ApiProblem && error.status === 412) {
          await reload();
          setBase("");
        }
        throw error;
      }
    },
  };
}

/**
 * The part of a refusal that no field of the form shows.
 *
 * @param {{ problem: ApiProblem | null, shown?: string[] }} props `shown`: names of the form's fields
 */
export function FormProblem({ problem, shown = [] }) {
  if (!problem) return null;
  const rest = Object.entries(problem.fields).filter(([name]) => !shown.includes(name));
  if (!rest.length && Object.keys(problem.fields).length) return null;
  return html`<div class="problem" role="alert">
    <p>${problem.message}</p>
    ${rest.length > 0 && html`<ul>${rest.map(([name, text]) => html`<li>${name}: ${text}</li>`)}</ul>`}
  </div>`;
}

/**
 * A switch with its label.
 *
 * @param {{ label: string, checked: boolean, disabled?: boolean, onChange: (checked: boolean) => void, hideLabel?: boolean }} props
 */
export function Switch({ label, checked, disabled = false, onChange, hideLabel = false }) {
  return html`<label class="switch">
    <input type="checkbox" role="switch" checked=${checked} disabled=${disabled}
      aria-label=${hideLabel ? label : undefined}
      onChange=${(/** @type {any} */ event) => {
        const wanted = event.target.checked;
        event.target.checked = checked; // until the service says so
        onChange(wanted);
      }} />
    <span class="track" aria-hidden="true"></span>
    ${!hideLabel && html`<span>${label}</span>`}
  </label>`;
}

/**
 * A button that copies a text.
 *
 * @param {{ text: string, label?: string }} props
 */
export function Copy({ text, label = "Copy" }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 2_000);
  };
  return html`<button type="button" class="small" onClick=${copy}>${copied ? "Copied" : label}</button>`;
}

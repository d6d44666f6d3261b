/**
 * @file The inputs of an exchange's credentials.
 *
 * What is entered stays in the inputs themselves: no variable of the page, no storage and no
 * address holds it, and `clear` empties them once the service has it.
 */

import { html, useRef, useState } from "../kit/html.js";
import { Field, SECRET } from "./form.js";

/** @typedef {import("../../types/api").CredentialField} CredentialField */

/** @typedef {Record<string, string>} Faults what is wrong, by the name of the field */

/**
 * Returns what is wrong with the form of a value, by the rule of the service, or null.
 *
 * @param {CredentialField} field
 * @param {string} text
 */
function malformed(field, text) {
  if (new RegExp(`^(?:${field.pattern})$`, "v").test(text)) return null;
  const bare = text.trim();
  if (bare.length > field.max_length) {
    return `This is too long: it has at most ${field.max_length} characters. Copy it once more.`;
  }
  if (/\s/.test(bare) && !field.multiline) {
    return "There is white space inside of it. Copy it once more, in one piece.";
  }
  return `This does not look like what the exchange shows. ${field.help}`;
}

/**
 * The inputs of some fields, by name, and what is wrong with what they hold.
 *
 * @param {CredentialField[]} fields
 */
export function useCredentials(fields) {
  const inputs = useRef(/** @type {Record<string, HTMLInputElement | HTMLTextAreaElement | null>} */ ({}));
  const [faults, setFaults] = useState(/** @type {Faults} */ ({}));
  const valueOf = (/** @type {string} */ name) => inputs.current[name]?.value ?? "";

  const faultOf = (/** @type {CredentialField} */ field) => {
    const text = valueOf(field.name);
    if (text.trim() !== "") {
      const twice = field.within !== null && valueOf(field.within).includes(":");
      if (twice) return "The passphrase is in API Secret already, after the colon. Enter it once.";
      return malformed(field, text);
    }
    if (field.within !== null && valueOf(field.within).includes(":")) return null;
    return field.required ? `Enter the ${field.label}.` : null;
  };

  return {
    fields,
    faults,
    inputs,
    /** Checks one field when it is left, unless it is still empty. */
    left: (/** @type {CredentialField} */ field) => {
      const fault = valueOf(field.name).trim() === "" ? null : faultOf(field);
      setFaults(({ [field.name]: _, ...rest }) => (fault ? { ...rest, [field.name]: fault } : rest));
    },
    /** Checks all fields. @returns {Faults} */
    check: () => {
      const found = Object.fromEntries(
        fields.map((field) => [field.name, faultOf(field)]).filter(([, fault]) => fault),
      );
      setFaults(found);
      return found;
    },
    /** The members of the request: fields left empty are left out. */
    values: () =>
      Object.fromEntries(
        fields.map(({ name }) => [name, valueOf(name)]).filter(([, text]) => text?.trim()),
      ),
    /** Enters values, for example simulated ones. */
    fill: (/** @type {Record<string, string>} */ values) => {
      for (const { name } of fields) {
        const input = inputs.current[name];
        if (input) input.value = values[name] ?? "";
      }
      setFaults({});
    },
    clear: (secretsOnly = false) => {
      for (const { name, secret } of fields) {
        const input = inputs.current[name];
        if (input && (secret || !secretsOnly)) input.value = "";
      }
    },
  };
}

/**
 * @param {{ credentials: ReturnType<typeof useCredentials>, refused?: Faults, disabled?: boolean }} props
 *   `refused`: what the service said of the fields
 */
export function CredentialFields({ credentials, refused = {}, disabled = false }) {
  const { fields, faults, inputs, left } = credentials;
  return fields.map((field) => html`<${Field} key=${field.name} label=${field.label} help=${field.help}
      error=${faults[field.name] ?? refused[field.name]}>
    ${(/** @type {any} */ attributes) => {
      const own = {
        ...attributes,
        ...SECRET,
        name: field.name,
        placeholder: field.placeholder,
        disabled,
        ref: (/** @type {any} */ element) => (inputs.current[field.name] = element),
        onBlur: () => left(field),
      };
      // A field of one line would take the line ends out of a private key.
      if (field.multiline) {
        return html`<textarea ...${own} type=${undefined} rows="2" class=${field.secret ? "hidden-text" : ""}></textarea>`;
      }
      return html`<input ...${own} type=${field.secret ? "password" : "text"} />`;
    }}
  <//>`);
}

import type { DecimalText } from "./api.js";

// What the service takes: plain digits, or one digit and an exponent.
const DECIMAL = /^-?([0-9]{1,20}(\.[0-9]{1,40})?|[0-9](\.[0-9]{1,40})?[eE][+-]?[0-9]{1,2})$/;

/**
 * Return the text if it is a decimal. Throws TypeError for numbers, too: `0.1 + 0.2` is not `0.3`,
 * and what was rounded once cannot be put right later.
 */
export function decimal(value: DecimalText, name: string): DecimalText {
  if (typeof value !== "string" || !DECIMAL.test(value)) {
    throw new TypeError(`${name} must be a decimal as text, such as "0.5"`);
  }
  return value;
}

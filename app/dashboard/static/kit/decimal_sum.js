/** @file Sums and differences of decimals that are text: floating-point numbers would not be exact. */

/** @param {string} text */
function parsed(text) {
  const [, sign = "", whole = "0", rest = ""] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text) ?? [];
  return { sign, whole, rest };
}

/**
 * Returns the difference of two decimals, without trailing zeros.
 *
 * @param {string} one
 * @param {string} other
 */
export function minus(one, other) {
  const [a, b] = [parsed(one), parsed(other)];
  const places = Math.max(a.rest.length, b.rest.length);
  const [x, y] = [a, b].map(({ sign, whole, rest }) => BigInt(`${sign}${whole}${rest.padEnd(places, "0")}`));
  const difference = /** @type {bigint} */ (x) - /** @type {bigint} */ (y);
  const digits = (difference < 0n ? -difference : difference).toString().padStart(places + 1, "0");
  const whole = digits.slice(0, digits.length - places);
  const rest = digits.slice(digits.length - places).replace(/0+$/, "");
  return `${difference < 0n ? "-" : ""}${whole}${rest ? `.${rest}` : ""}`;
}

/**
 * Returns the sum of two decimals, without trailing zeros.
 *
 * @param {string} one
 * @param {string} other
 */
export const plus = (one, other) => minus(one, other.startsWith("-") ? other.slice(1) : `-${other}`);

/**
 * Returns whether a decimal is larger than another.
 *
 * @param {string} one
 * @param {string} other
 */
export const isMore = (one, other) => !minus(one, other).startsWith("-") && minus(one, other) !== "0";

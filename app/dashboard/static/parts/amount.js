/** @file Amounts of money and decimals in lists and cards. */

import { html } from "../kit/html.js";
import { brief, decimal, signed } from "../kit/format.js";

/**
 * A profit or a loss with its asset: colour is never the only sign.
 *
 * @param {{ value: string | null | undefined, asset?: string | null, glance?: boolean }} props
 *   `glance`: in few digits, all of which are in the title
 */
export function Profit({ value, asset = null, glance = false }) {
  const tone = value ? (Number(value) > 0 ? "gain" : Number(value) < 0 ? "loss" : "") : "";
  const text = `${signed(value)}${value && asset ? ` ${asset}` : ""}`;
  return html`<span class=${tone} title=${text}>${glance && value ? `${Number(value) > 0 ? "+" : ""}${brief(value)}` : signed(value)}${value && asset && html` <span class="unit">${asset}</span>`}</span>`;
}

/**
 * A decimal with all its digits, which a narrow column may cut: `title` has them too.
 *
 * @param {{ value: string | null | undefined, asset?: string | null, glance?: boolean }} props
 */
export function Amount({ value, asset = null, glance = false }) {
  const text = `${decimal(value)}${value && asset ? ` ${asset}` : ""}`;
  return html`<span title=${text}>${glance ? brief(value) : decimal(value)}${value && asset && html` <span class="unit">${asset}</span>`}</span>`;
}

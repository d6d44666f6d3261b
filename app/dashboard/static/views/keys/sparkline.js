/** @file Counts per day as bars, small enough for one line. */

import { html } from "../../kit/html.js";
import { counted } from "../../kit/format.js";

const HEIGHT = 28;
const STEP = 6;

/** @param {{ days: { day: string, count: number }[], noun: string }} props */
export function Sparkline({ days, noun }) {
  const most = Math.max(1, ...days.map(({ count }) => count));
  const all = days.reduce((sum, { count }) => sum + count, 0);
  return html`<figure class="sparkline">
    <svg viewBox="0 0 ${days.length * STEP} ${HEIGHT}" width=${days.length * STEP} height=${HEIGHT} role="img"
      aria-label="${counted(all, noun)} in ${days.length} days">
      ${days.map(({ day, count }, place) => {
        const height = count === 0 ? 1 : Math.max(3, (count / most) * HEIGHT);
        return html`<rect x=${place * STEP} y=${HEIGHT - height} width=${STEP - 2} height=${height} rx="1">
          <title>${day}: ${counted(count, noun)}</title></rect>`;
      })}
    </svg>
    <figcaption>${counted(all, noun)} in ${days.length} days</figcaption>
  </figure>`;
}

/** @file Why a bot may not open positions, in a table's cell and as a list of sentences. */

import { html } from "../kit/html.js";
import { reasonOf } from "../kit/reasons.js";

/** How bad it is that a bot may not trade: a person wanted the first two. */
const TONES = /** @type {Record<string, string>} */ ({ frozen: "cold", bot_paused: "warning", no_key: "plain" });

/** @param {{ codes: string[] }} props the first reason, and how many more there are */
export function ReasonBadges({ codes }) {
  const [first] = codes;
  if (first === undefined) return html`<span class="badge good">may trade</span>`;
  const all = codes.map((code) => reasonOf(code).sentence).join("\n");
  return html`<span class="badge ${TONES[first] ?? "bad"}" title=${all}>${reasonOf(first).title}</span>
    ${codes.length > 1 && html` <span class="faint" title=${all}>+${codes.length - 1}</span>`}`;
}

/**
 * Every reason as a sentence, with a link to where it is put right.
 *
 * @param {{ codes: string[], place: import("../kit/reasons.js").Place, here?: string }} props
 *   `here`: the address of this page, to which no link is shown
 */
export const ReasonList = ({ codes, place, here = "" }) => html`<ul class="reasons">
  ${codes.map((code) => {
    const { title, sentence, fix } = reasonOf(code);
    const link = fix?.(place);
    return html`<li key=${code}>
      <strong>${title}.</strong> ${sentence}
      ${link && link.href !== here && html` <a href=${link.href}>${link.text}</a>`}
    </li>`;
  })}
</ul>`;

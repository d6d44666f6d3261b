/** @file The figures of a summary in one settle asset. */

import { html } from "../kit/html.js";
import { brief, decimal, short, time } from "../kit/format.js";
import { MEANINGS } from "../kit/meanings.js";
import { Amount, Profit } from "./amount.js";

/** @typedef {import("../../types/api").SummaryFigures} SummaryFigures */

/** The figures with their names, in the order in which they are shown. */
const NAMES = /** @type {[keyof SummaryFigures & string, string][]} */ ([
  ["net_pnl", "Net P&L"],
  ["realised_pnl", "Realised P&L"],
  ["funding", "Funding"],
  ["fees", "Fees"],
  ["other_fees", "Fees in other assets"],
  ["largest_drawdown", "Largest drawdown"],
  ["trades", "Trades"],
  ["win_rate", "Win rate"],
  ["profit_factor", "Profit factor"],
  ["average_win", "Average win"],
  ["average_loss", "Average loss"],
  ["trades_per_day", "Trades a day"],
  ["exposure", "Exposure"],
  ["trades_without_opening", "Opening not known"],
]);
const PROFITS = ["net_pnl", "realised_pnl", "funding"];
const AMOUNTS = ["fees", "average_win", "average_loss"];

/**
 * Returns a share as a percentage; what is rounded has all digits in its title.
 *
 * @param {string | null} share
 */
const percent = (share) =>
  share === null ? "–" : html`<span title=${share}>${short(String(Number(share) * 100))} %</span>`;

/**
 * @param {SummaryFigures} figures
 * @param {string} name
 */
function shown(figures, name) {
  const value = /** @type {any} */ (figures)[name];
  if (PROFITS.includes(name)) return html`<${Profit} value=${value} glance=${true} />`;
  if (AMOUNTS.includes(name)) return html`<${Amount} value=${value} glance=${true} />`;
  if (name === "other_fees") return figures.other_fees.map((fee) => html`<div>${decimal(fee.amount)} ${fee.asset}</div>`);
  if (name === "largest_drawdown") return html`<${Fall} fall=${figures.largest_drawdown} />`;
  if (name === "win_rate") return percent(figures.win_rate);
  if (name === "exposure") return percent(figures.exposure);
  if (typeof value === "number") return value.toLocaleString("en");
  return html`<span title=${value ?? ""}>${short(value)}</span>`;
}

/** @param {{ fall: SummaryFigures["largest_drawdown"] }} props */
function Fall({ fall }) {
  if (fall === null) return "none";
  const title = `from ${fall.peak_at ? time(fall.peak_at) : "the start"} to ${time(fall.trough_at)}`;
  return html`<span title="${decimal(fall.value)}: ${title}">${brief(fall.value)}${fall.percent !== null && html` <span class="faint">(${decimal(fall.percent)} %)</span>`}</span>`;
}

/** @param {{ figures: SummaryFigures }} props */
export function Totals({ figures }) {
  const names = NAMES.filter(
    ([name]) => !(name === "other_fees" && figures.other_fees.length === 0) && !(name === "trades_without_opening" && figures[name] === 0),
  );
  return html`<section class="card" aria-label="Figures in ${figures.settle}">
    <h2>${figures.settle}</h2>
    <dl class="totals">
      ${names.map(
        ([name, title]) => html`<div key=${name}>
          <dt title=${MEANINGS[name]}>${title}</dt>
          <dd class=${name === "net_pnl" ? "main" : ""}>${shown(figures, name)}</dd>
        </div>`,
      )}
    </dl>
  </section>`;
}

/** What each figure means, as the API describes it. */
export const Meanings = () => html`<details class="card">
  <summary>What these figures mean</summary>
  <dl class="facts">
    ${NAMES.map(([name, title]) => html`<dt>${title}</dt><dd>${(MEANINGS[name] ?? "").replaceAll("`", "").replaceAll("_", " ")}</dd>`)}
  </dl>
</details>`;

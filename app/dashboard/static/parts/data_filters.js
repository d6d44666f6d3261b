/** @file Filters of trading data, kept in the page's address: key, bot, symbol, period. */

import { html, useId } from "../kit/html.js";
import { NO_BOT } from "../kit/directory.js";
import { PERIODS } from "../kit/period.js";
import { route, setQuery } from "../kit/router.js";
import { timeZone } from "../kit/session.js";

/** The parameters that a filter may have in the address. */
const NAMES = ["key_id", "bot_id", "symbol", "period", "from", "to", "type", "actor"];

/** Whether the address has any filter. */
export const isFiltered = () => NAMES.some((name) => route.value.query[name]);

/** Removes every filter from the address. */
export const clearFilters = () => setQuery(Object.fromEntries(NAMES.map((name) => [name, null])));

/**
 * A labelled choice.
 *
 * @param {{ label: string, value: string, options: readonly (readonly [string, string])[], onChange: (value: string) => void }} props
 */
export function Choice({ label, value, options, onChange }) {
  const id = useId();
  const known = options.some(([one]) => one === value);
  return html`<div class="filter">
    <label for=${id}>${label}</label>
    <select id=${id} value=${value} onChange=${(/** @type {any} */ event) => onChange(event.target.value)}>
      ${!known && html`<option value=${value}>Deleted (${value.slice(0, 8)})</option>`}
      ${options.map(([one, title]) => html`<option key=${one} value=${one} dir="auto">${title}</option>`)}
    </select>
  </div>`;
}

/**
 * @param {{ directory: import("../kit/directory.js").Directory, environment?: string | null }} props
 *   `environment`: only its keys are offered
 */
export function KeyFilter({ directory, environment = null }) {
  const keys = [...directory.keys.values()]
    .filter((key) => environment === null || key.environment === environment)
    .sort((one, other) => one.label.localeCompare(other.label));
  const options = keys.map(
    (key) => /** @type {const} */ ([key.id, `${key.label}${key.deleted ? " (deleted)" : ""}`]),
  );
  return html`<${Choice} label="Key" value=${route.value.query.key_id ?? ""}
    options=${[["", "All keys"], ...options]} onChange=${(/** @type {string} */ value) => setQuery({ key_id: value })} />`;
}

/** @param {{ directory: import("../kit/directory.js").Directory, imported?: boolean }} props */
export function BotFilter({ directory, imported = false }) {
  const bots = [...directory.bots.values()].sort((one, other) => one.name.localeCompare(other.name));
  const options = bots.map((bot) => /** @type {const} */ ([bot.id, bot.name]));
  return html`<${Choice} label="Bot" value=${route.value.query.bot_id ?? ""}
    options=${[["", "All bots"], ...options, ...(imported ? [[NO_BOT, "No bot (imported)"]] : [])]}
    onChange=${(/** @type {string} */ value) => setQuery({ bot_id: value })} />`;
}

/** A symbol, which takes effect with Enter or when the field is left. */
export function SymbolFilter() {
  return html`<${TextFilter} label="Symbol" name="symbol" placeholder="BTCUSDT" />`;
}

/** @param {{ label: string, name: string, placeholder?: string }} props */
export function TextFilter({ label, name, placeholder = "" }) {
  const id = useId();
  return html`<div class="filter">
    <label for=${id}>${label}</label>
    <input id=${id} type="search" value=${route.value.query[name] ?? ""} placeholder=${placeholder}
      autocapitalize="off" autocomplete="off" spellcheck=${false} maxlength="100"
      onChange=${(/** @type {any} */ event) => setQuery({ [name]: event.target.value.trim() })} />
  </div>`;
}

/** @param {{ period: import("../kit/period.js").Period, usual: string }} props */
export function PeriodFilter({ period, usual }) {
  const choose = (/** @type {string} */ name) =>
    setQuery(
      name === "days"
        ? { period: name, from: period.firstDay, to: period.lastDay }
        : { period: name === usual ? null : name, from: null, to: null },
    );
  return html`
    <${Choice} label="Period" value=${period.name} options=${PERIODS.map(([name, title]) => [name, title])} onChange=${choose} />
    ${period.name === "days" &&
    html`<${DayField} label="From" name="from" value=${period.firstDay} max=${period.lastDay} />
      <${DayField} label="To" name="to" value=${period.lastDay} min=${period.firstDay} />`}
  `;
}

/** @param {{ label: string, name: string, value: string, min?: string, max?: string }} props */
function DayField({ label, name, value, min, max }) {
  const id = useId();
  return html`<div class="filter">
    <label for=${id}>${label}</label>
    <input id=${id} type="date" value=${value} min=${min || undefined} max=${max || undefined}
      onChange=${(/** @type {any} */ event) => setQuery({ [name]: event.target.value })} />
  </div>`;
}

/** The zone in which all times of the view are shown. */
export const ZoneNote = () =>
  html`<p class="zone">Times are in ${timeZone.value.replaceAll("_", " ")}. <a href="/settings">Change the time zone</a></p>`;

/** A button that removes all filters, while there are any. */
export const ClearFilters = () =>
  isFiltered() && html`<button type="button" class="quiet" onClick=${clearFilters}>Clear filters</button>`;

/** @file The freezes: what may open no new positions, since when and why. */

import { get } from "../kit/api.js";
import { exchangeName, useExchanges } from "../kit/exchanges.js";
import { ago, time } from "../kit/format.js";
import { freeze, freezes } from "../kit/freezes.js";
import { html, useState } from "../kit/html.js";
import { useResource } from "../kit/resource.js";
import { may } from "../kit/session.js";
import { EnvironmentBadge } from "../parts/badges.js";
import { Dialog } from "../parts/dialog.js";
import { Field, FormProblem, useSubmit } from "../parts/form.js";
import { EFFECT, LiftFreeze, Reason } from "../parts/freezing.js";
import { done } from "../parts/notice.js";
import { Empty, Loaded } from "../parts/states.js";
import { Table } from "../parts/table.js";

/** @typedef {import("../../types/api").Freeze} Freeze */

export function View() {
  useExchanges();
  const [adding, setAdding] = useState(false);
  const [lifting, setLifting] = useState(/** @type {Freeze | null} */ (null));
  const resource = freezes.value;
  return html`
    <header class="title"><h1>Freezes</h1>
      ${may("keys:write") && html`<button type="button" onClick=${() => setAdding(true)}>Freeze an exchange</button>`}
    </header>
    <p>A freeze stops new positions of the whole account, of one exchange or of one API key. ${EFFECT}</p>
    ${resource && html`<${Loaded} resource=${resource} what="the freezes">
      ${(/** @type {Freeze[]} */ items) =>
        items.length
          ? html`<${Table} label="Freezes" columns=${columns(setLifting)} items=${items} keyOf=${(/** @type {Freeze} */ one) => one.id} />`
          : html`<${Empty} title="Nothing is frozen">
              <p>Bots open positions as their keys allow. To stop one key only, freeze it on its own page.</p><//>`}
    <//>`}
    ${adding && html`<${FreezeExchange} onClose=${() => setAdding(false)} />`}
    ${lifting && html`<${LiftFreeze} freeze=${lifting} what=${html`<${Target} freeze=${lifting} />`} onClose=${() => setLifting(null)} />`}
  `;
}

/**
 * @param {(freeze: Freeze) => void} onLift
 * @returns {import("../parts/table.js").Column<Freeze>[]}
 */
const columns = (onLift) => [
  { name: "scope", title: "Frozen", rank: 1, cell: (one) => html`<${Target} freeze=${one} />` },
  { name: "reason", title: "Reason", rank: 2, width: "minmax(0, 2fr)", cell: (one) => html`<span dir="auto" title=${one.reason}>${one.reason ?? "–"}</span>` },
  {
    name: "since",
    title: "Since",
    rank: 2,
    width: "150px",
    cell: (one) => html`<time datetime=${one.created_at} title=${time(one.created_at)}>${ago(one.created_at)}</time>`,
  },
  {
    name: "lift",
    title: "Actions",
    rank: 1,
    width: "90px",
    cell: (one) => may("account:admin") && html`<button type="button" class="small" onClick=${() => onLift(one)}>Lift</button>`,
  },
];

/** What a freeze covers. @param {{ freeze: Freeze }} props */
function Target({ freeze: { scope, exchange, key_id } }) {
  if (scope === "account") return html`<strong>Whole account</strong>`;
  if (scope === "exchange") return html`All keys of ${exchangeName(exchange ?? "")}`;
  return html`<${FrozenKey} id=${key_id ?? ""} />`;
}

/** @param {{ id: string }} props */
function FrozenKey({ id }) {
  const { data } = useResource(`/v1/keys/${id}`, (stop) => get(`/v1/keys/${id}`, {}, stop));
  return html`<span class="words">Key <a href="/keys/${id}" dir="auto">${data?.label ?? "…"}</a></span>
    ${data && html` <${EnvironmentBadge} environment=${data.environment} />`}`;
}

/** @param {{ onClose: () => void }} props */
function FreezeExchange({ onClose }) {
  const { data } = useExchanges();
  const [exchange, setExchange] = useState("");
  const [reason, setReason] = useState("");
  const { busy, problem, submit, edited } = useSubmit(async (intent) => {
    await freeze({ scope: "exchange", exchange: /** @type {any} */ (exchange), reason: reason.trim() || null }, intent);
    done(`New positions on ${exchangeName(exchange)} are stopped.`);
    onClose();
  });
  const chosen = (/** @type {any} */ event) => {
    setExchange(event.target.value);
    edited();
  };
  return html`<${Dialog} title="Freeze an exchange" onClose=${onClose} busy=${busy}>
    <form onSubmit=${submit}>
      <p>This stops new positions of all your keys of one exchange, live and testnet. ${EFFECT}</p>
      <${FormProblem} problem=${problem} shown=${["exchange", "reason"]} />
      <${Field} label="Exchange" error=${problem?.fields.exchange}>
        ${(/** @type {any} */ attributes) => html`<select ...${attributes} required value=${exchange} onChange=${chosen}>
          <option value="" disabled>Choose an exchange</option>
          ${data?.items.map((/** @type {any} */ offer) => html`<option value=${offer.exchange}>${offer.name}</option>`)}
        </select>`}
      <//>
      <${Reason} value=${reason} error=${problem?.fields.reason}
        onChange=${(/** @type {string} */ text) => {
          setReason(text);
          edited();
        }} />
      <footer>
        <button type="button" disabled=${busy} onClick=${onClose}>Cancel</button>
        <button type="submit" class="danger" disabled=${busy || !exchange} aria-busy=${busy}>Freeze the exchange</button>
      </footer>
    </form>
  <//>`;
}

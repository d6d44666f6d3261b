/** @file Freezing everything in two clicks, from every page, and the banner while it holds. */

import { time } from "../kit/format.js";
import { accountFreeze, freeze, lift } from "../kit/freezes.js";
import { html, useState } from "../kit/html.js";
import { may } from "../kit/session.js";
import { Confirm } from "./dialog.js";
import { Field } from "./form.js";
import { done } from "./notice.js";

/** What a freeze does, and what it leaves. */
export const EFFECT =
  "Bots go on managing and closing the positions that are open. They open no new ones until the freeze is lifted.";

/** The button that stands on every page. */
export function FreezeEverything() {
  const [asking, setAsking] = useState(false);
  if (!may("keys:write") || accountFreeze.value) return null;
  return html`<button type="button" class="freeze" onClick=${() => setAsking(true)}>Freeze everything</button>
    ${asking && html`<${ConfirmFreeze} onClose=${() => setAsking(false)} />`}`;
}

/** @param {{ onClose: () => void }} props */
function ConfirmFreeze({ onClose }) {
  const [reason, setReason] = useState("");
  const confirm = async () => {
    await freeze({ scope: "account", reason: reason.trim() || null });
    done("Everything is frozen: no bot opens new positions.");
  };
  return html`<${Confirm} title="Freeze everything?" action="Freeze everything" danger onConfirm=${confirm} onClose=${onClose}>
    <p>This stops new positions of all bots, live and testnet, at once. ${EFFECT}</p>
    <${Reason} value=${reason} onChange=${setReason} />
  <//>`;
}

/** @param {{ value: string, onChange: (reason: string) => void, error?: string | undefined }} props */
export const Reason = ({ value, onChange, error }) => html`<${Field} label="Reason (optional)" error=${error}
  help="A note for people, such as “Exchange has an outage”.">
  ${(/** @type {any} */ attributes) => html`<input ...${attributes} dir="auto" value=${value} maxlength="100" autocomplete="off"
    onInput=${(/** @type {any} */ event) => onChange(event.target.value)} />`}
<//>`;

/** Says on every page that the account is frozen. */
export function FreezeBanner() {
  const [lifting, setLifting] = useState(false);
  const held = accountFreeze.value;
  if (!held) return null;
  return html`<div class="banner" role="status">
    <p><strong>Everything is frozen</strong> since ${time(held.created_at)}${held.reason && html`: <span dir="auto">${held.reason}</span>`}.
      ${" "}${EFFECT}</p>
    ${may("account:admin")
      ? html`<button type="button" class="small" onClick=${() => setLifting(true)}>Lift the freeze</button>`
      : html`<a href="/freezes">Open Freezes</a>`}
    ${lifting && html`<${LiftFreeze} freeze=${held} what="the whole account" onClose=${() => setLifting(false)} />`}
  </div>`;
}

/** @param {{ freeze: import("../../types/api").Freeze, what: any, onClose: () => void }} props */
export const LiftFreeze = ({ freeze: held, what, onClose }) => html`<${Confirm} title="Lift the freeze" action="Lift the freeze"
  onClose=${onClose} onConfirm=${async () => {
    await lift(held.id);
    done("The freeze is lifted.");
  }}>
  <p>Bots may open new positions on ${what} again, unless something else blocks them.</p>
<//>`;

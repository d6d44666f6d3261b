/** @file The switch of a key; it asks before it stops a bot from opening positions. */

import { html, useState } from "../../kit/html.js";
import { patch } from "../../kit/api.js";
import { may } from "../../kit/session.js";
import { Confirm } from "../../parts/dialog.js";
import { Switch } from "../../parts/form.js";
import { failed } from "../../parts/notice.js";

/** @typedef {import("../../../types/api").Key} Key */

/** @param {{ item: Key, hideLabel?: boolean, onChanged: () => unknown }} props */
export function Activation({ item, hideLabel = false, onChanged }) {
  const [asking, setAsking] = useState(false);
  const change = async (/** @type {boolean} */ active) => {
    await patch(`/v1/keys/${item.id}`, { active });
    await onChanged();
  };
  const wanted = (/** @type {boolean} */ active) =>
    !active && item.bot ? setAsking(true) : void change(active).catch(failed);
  return html`<${Switch} label=${hideLabel ? `${item.label} is active` : "Active"} hideLabel=${hideLabel}
      checked=${item.active} disabled=${!may("keys:write")} onChange=${wanted} />
    ${asking && html`<${Confirm} title="Deactivate this key?" action="Deactivate" onConfirm=${() => change(false)}
      onClose=${() => setAsking(false)}>
      <p><a href="/bots/${item.bot?.id}" dir="auto">${item.bot?.name}</a> opens no new positions with
        ${" "}<strong dir="auto">${item.label}</strong> from now on.</p>
      <p>Positions that are open are not affected: the bot's exit rules continue to function normally. Neither the bot is
        stopped, nor is anything deleted.</p>
    <//>`}`;
}

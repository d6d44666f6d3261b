/** @file The webhooks: where the account's events are sent to. */

import { get } from "../kit/api.js";
import { ago, counted, time } from "../kit/format.js";
import { html, useState } from "../kit/html.js";
import { useResource } from "../kit/resource.js";
import { may } from "../kit/session.js";
import { Empty, Loaded } from "../parts/states.js";
import { Table } from "../parts/table.js";
import { AddWebhook } from "./webhooks/add.js";
import { concerns, FORMATS, hostOf, WebhookBadge } from "./webhooks/words.js";

/** @typedef {import("../../types/api").Webhook} Webhook */

/** More than an account may have by default: one page is all of them. */
const LIMIT = 200;

export function View() {
  const [adding, setAdding] = useState(false);
  const resource = useResource("webhooks", (stop) => get("/v1/webhooks", { limit: LIMIT }, stop), concerns);
  const allowed = may("account:admin");
  const add = html`<button type="button" class="primary" onClick=${() => setAdding(true)}>Add webhook</button>`;
  if (!allowed) {
    return html`<header class="title"><h1>Webhooks</h1></header>
      <${Empty} title="Your sign-in may not see webhooks"><p>It needs the scope <code>account:admin</code>.</p><//>`;
  }
  return html`
    <header class="title"><h1>Webhooks</h1>${add}</header>
    <p>A webhook sends what happens in your account to another program, or to a channel of Slack, Discord or ntfy. It
    carries names, ids and reasons, never balances or credentials.</p>
    <${Loaded} resource=${resource} what="the webhooks">
      ${(/** @type {{ items: Webhook[] }} */ { items }) =>
        items.length
          ? html`<${Table} label="Webhooks" columns=${COLUMNS} items=${items} keyOf=${(/** @type {Webhook} */ one) => one.id} />`
          : html`<${Empty} title="No webhooks yet">
              <p>Let a channel know when a bot goes offline or a key is about to expire.</p>${add}<//>`}
    <//>
    ${adding && html`<${AddWebhook} onClose=${() => setAdding(false)} onAdded=${resource.reload} />`}
  `;
}

/** @type {import("../parts/table.js").Column<Webhook>[]} */
const COLUMNS = [
  {
    name: "address",
    title: "Address",
    rank: 1,
    width: "minmax(0, 2fr)",
    cell: (one) => html`<a href="/webhooks/${one.id}" dir="auto">${hostOf(one.url)}</a>`,
  },
  { name: "format", title: "Format", rank: 2, width: "120px", cell: (one) => FORMATS[one.format] },
  {
    name: "types",
    title: "Events",
    rank: 2,
    cell: (one) => (one.types.length ? counted(one.types.length, "type") : "All events"),
  },
  { name: "state", title: "State", rank: 1, width: "120px", cell: (one) => html`<${WebhookBadge} webhook=${one} />` },
  {
    name: "added",
    title: "Added",
    width: "150px",
    cell: (one) => html`<time datetime=${one.created_at} title=${time(one.created_at)}>${ago(one.created_at)}</time>`,
  },
];

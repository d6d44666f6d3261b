/** @file What was sent to a webhook, what came of it, and sending it again. */

import { post } from "../../kit/api.js";
import { eventTitle } from "../../kit/event_types.js";
import { ago, counted, time } from "../../kit/format.js";
import { html, useEffect, useState } from "../../kit/html.js";
import { useListing } from "../../kit/listing.js";
import { useReloadOn } from "../../kit/resource.js";
import { done, failed } from "../../parts/notice.js";
import { Failure } from "../../parts/states.js";
import { DeliveryBadge, ERRORS } from "./words.js";

/** @typedef {import("../../../types/api").WebhookDelivery} Delivery */

const STATUSES = /** @type {const} */ (["pending", "delivered", "failed", "cancelled"]);
/** No event says that a delivery was attempted. */
const LOOK_MILLISECONDS = 2_000;

/** @param {{ id: string, round: number }} props `round` counts what was queued on this page */
export function Deliveries({ id, round }) {
  const [status, setStatus] = useState("");
  const list = useListing(`/v1/webhooks/${id}/deliveries`, { status: status || undefined });
  const items = /** @type {Delivery[]} */ (list.items);
  useReloadOn(round, list.reload);
  const soon = items.some(({ next_attempt_at: at }) => at && new Date(at).getTime() < Date.now() + 10_000);
  useEffect(() => {
    if (!soon) return;
    const timer = setTimeout(() => document.visibilityState === "visible" && void list.reload(), LOOK_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [soon, list.at, list.problem]);
  return html`<section class="card" aria-labelledby="deliveries">
    <h2 id="deliveries">Deliveries</h2>
    <div class="filters"><label>Show
      <select value=${status} onChange=${(/** @type {any} */ event) => setStatus(event.target.value)}>
        <option value="">All</option>
        ${STATUSES.map((one) => html`<option value=${one}>${one}</option>`)}
      </select></label></div>
    ${list.problem && html`<${Failure} problem=${list.problem} retry=${list.reload} stale=${list.loaded} />`}
    ${list.loaded && !items.length && html`<p class="faint">${status ? "None is in this state." : "Nothing was sent yet."}</p>`}
    <ul class="entries">${items.map((one) => html`<${Delivery} key=${one.id} delivery=${one} onReplayed=${list.reload} />`)}</ul>
    ${!list.complete && list.loaded && html`<button type="button" onClick=${list.more}>Show more</button>`}
  </section>`;
}

/** @param {Delivery} delivery */
const titleOf = ({ type }) => (type === "webhook.test" ? "Test" : eventTitle(type));

/** @param {{ delivery: Delivery, onReplayed: () => Promise<void> }} props */
function Delivery({ delivery, onReplayed }) {
  const [busy, setBusy] = useState(false);
  const replay = async () => {
    setBusy(true);
    try {
      await post(`/v1/webhooks/${delivery.webhook_id}/deliveries/${delivery.id}/replay`);
      done("It is sent once more.");
      await onReplayed();
    } catch (error) {
      failed(error);
    } finally {
      setBusy(false);
    }
  };
  const { error, response_status: answer, duration_ms: duration, next_attempt_at: next } = delivery;
  return html`<li>
    <details>
      <summary>${titleOf(delivery)} <${DeliveryBadge} status=${delivery.status} />
        ${" "}<time class="faint" datetime=${delivery.created_at} title=${time(delivery.created_at)}>${ago(delivery.created_at)}</time></summary>
      <dl class="facts">
        <dt>Attempts</dt><dd>${delivery.attempts}${delivery.last_attempt_at && html`, the last one ${ago(delivery.last_attempt_at)}`}</dd>
        ${answer !== null && html`<dt>Answer</dt><dd>Status ${answer}${duration !== null && html` after ${counted(duration, "millisecond")}`}</dd>`}
        ${error && html`<dt>What went wrong</dt><dd>${ERRORS[error] ?? error}</dd>`}
        ${next && html`<dt>Next attempt</dt><dd>${time(next)}</dd>`}
        <dt>Id</dt><dd><code translate=${false}>${delivery.id}</code></dd>
      </dl>
      ${delivery.status !== "pending" && html`<div class="actions"><button type="button" class="small" disabled=${busy}
        onClick=${replay}>Send again</button></div>`}
    </details>
  </li>`;
}

/** @file A long-running operation: its progress while it runs, then its receipt. */

import { get, post } from "../kit/api.js";
import { counted, decimal, time } from "../kit/format.js";
import { html, useEffect } from "../kit/html.js";
import { kindCounts } from "../kit/kinds.js";
import { useResource } from "../kit/resource.js";
import { may } from "../kit/session.js";
import { failed } from "./notice.js";

/** @typedef {import("../../types/api").Operation} Operation */

const LOOK_MILLISECONDS = 1_000;
const TITLES = /** @type {Record<string, string>} */ ({
  delete_key_data: "Deletion of a key's data",
  delete_data: "Deletion of data",
  close_account: "Closing of the account",
  import_trades: "Import of trades",
});
const STATES = /** @type {Record<string, string>} */ ({
  queued: "waiting",
  running: "running",
  succeeded: "done",
  failed: "failed",
  cancelled: "cancelled",
});
const TONES = /** @type {Record<string, string>} */ ({ succeeded: "good", failed: "bad", cancelled: "plain" });

/** @param {Operation} operation */
export const operationTitle = (operation) => TITLES[operation.kind] ?? operation.kind.replaceAll("_", " ");

/** @param {Operation} operation */
export const isOver = (operation) => ["succeeded", "failed", "cancelled"].includes(operation.status);

/** @param {{ operation: Operation }} props */
export const OperationBadge = ({ operation }) => html`<span class="badge ${TONES[operation.status] ?? "warning"}">
  ${operation.stalled ? "stalled" : (STATES[operation.status] ?? operation.status)}</span>`;

/**
 * Follows an operation to its end.
 *
 * @param {Operation} first what is known of it already
 */
export function useOperation(first) {
  const path = `/v1/operations/${first.id}`;
  const resource = useResource(path, (stop) => get(path, {}, stop), (event) => event.data.operation_id === first.id);
  const operation = /** @type {Operation} */ (resource.data ?? first);
  const over = isOver(operation);
  useEffect(() => {
    if (over) return;
    const timer = setTimeout(() => void resource.reload(), LOOK_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [over, path, resource.at, resource.problem]);
  return { operation, over, problem: resource.problem };
}

/** @param {{ operation: Operation }} props */
export function Progress({ operation }) {
  const { done, total, status, stalled } = operation;
  if (isOver(operation)) return null;
  const known = total > 0;
  return html`<div class="progress">
    <progress max=${known ? total : undefined} value=${known ? done : undefined}
      aria-label=${operationTitle(operation)}></progress>
    <p class="faint" role="status">${stalled
      ? "No progress for a minute. Another worker takes over by itself."
      : status === "queued"
        ? "Waiting for a worker…"
        : known ? `${decimal(String(done))} of ${counted(total, "row")}` : "Counting…"}</p>
  </div>`;
}

/** What an operation did. @param {{ operation: Operation }} props */
export function Receipt({ operation }) {
  const { receipt, error, status, finished_at } = operation;
  const deleted = receipt?.deleted ? kindCounts(receipt.deleted) : null;
  const imported = receipt?.imported;
  const kept = receipt?.kept?.positions ?? 0;
  return html`
    ${error && html`<p class="problem">${error}</p>`}
    ${deleted && html`<p>${deleted.length ? html`Deleted: ${deleted.join(", ")}.` : status === "succeeded" ? "There was nothing to delete." : ""}
      ${kept > 0 && html` Kept: ${counted(kept, "open position")}.`}</p>`}
    ${imported && html`<p><a href="/trades">Open Trades</a></p>`}
    ${finished_at && html`<p class="faint">Ended ${time(finished_at)}. Receipt: <code>${operation.id}</code></p>`}
  `;
}

/** A button to cancel it, or why it cannot be. @param {{ operation: Operation }} props */
export function Cancel({ operation }) {
  if (isOver(operation) || !may("data:delete")) return null;
  if (operation.kind !== "import_trades") {
    return html`<p class="help">A deletion cannot be stopped: its data are hidden already.</p>`;
  }
  const cancel = () => post(`/v1/operations/${operation.id}/cancel`).catch(failed);
  return html`<button type="button" class="small" onClick=${cancel}>Cancel the import</button>`;
}

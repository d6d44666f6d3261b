/** @file The dialog that deletes a key: alone, or with all of its trading data. */

import { html, useState } from "../../kit/html.js";
import { get, remove } from "../../kit/api.js";
import { counted } from "../../kit/format.js";
import { kindCounts } from "../../kit/kinds.js";
import { useResource } from "../../kit/resource.js";
import { may } from "../../kit/session.js";
import { Dialog } from "../../parts/dialog.js";
import { FormProblem, useBase, useSubmit } from "../../parts/form.js";
import { Progress, Receipt, useOperation } from "../../parts/operation.js";
import { Loaded } from "../../parts/states.js";
import { Typed, isTyped } from "../../parts/typed.js";

/** @typedef {import("../../../types/api").Key} Key */
/** @typedef {import("../../../types/api").KeyDeletionPreview} KeyDeletionPreview */

/**
 * @param {{ item: Key, tag: string, deleting: { current: boolean }, onDeleted: () => void, onClose: () => void, reload: () => Promise<void> }} props
 *   `deleting`: set while nothing may be read of the key; `onDeleted`: once the key is gone, while the dialog still shows what became of it
 */
export function DeleteKey({ item, tag, deleting, onDeleted, onClose, reload }) {
  const path = `/v1/keys/${item.id}`;
  const preview = useResource(`${path}/deletion-preview`, (stop) => get(`${path}/deletion-preview`, {}, stop),
    (event) => !deleting.current && event.key_id === item.id);
  const [withData, setWithData] = useState(false);
  const [typed, setTyped] = useState("");
  const [result, setResult] = useState(/** @type {any} */ (null));
  const base = useBase(tag, reload);
  const form = useSubmit(async (intent) => {
    const query = withData ? "?associated_data=delete" : "";
    const headers = { "If-Match": base.tag, "Idempotency-Key": intent };
    deleting.current = true;
    const answer = await base.guarded(remove(`${path}${query}`, { headers })).catch((error) => {
      deleting.current = false;
      throw error;
    });
    setResult(answer);
    onDeleted();
    return answer;
  });
  if (result) {
    return html`<${Dialog} title="The key is deleted" onClose=${onClose}>
      <p><strong dir="auto">${item.label}</strong> and its credentials are deleted.</p>
      ${"status" in result ? html`<${Following} operation=${result} />` : html`<${KeyReceipt} receipt=${result} />`}
      <footer><button type="button" class="primary" onClick=${onClose}>Back to the API keys</button></footer>
    <//>`;
  }
  return html`<${Dialog} title="Delete this key?" onClose=${onClose} busy=${form.busy}>
    <${Loaded} resource=${preview} what="what would be deleted">
      ${(/** @type {KeyDeletionPreview} */ found) => {
        const refusal = refusalOf(found);
        if (refusal) {
          return html`<div class="refusal" role="alert">${refusal}</div>
            <footer><button type="button" onClick=${onClose}>Close</button></footer>`;
        }
        const counts = kindCounts(/** @type {any} */ (found.counts), found.exact);
        return html`<form onSubmit=${form.submit}>
          <p><strong dir="auto">${item.label}</strong> is deleted at once and for good, with its credentials and trading assets.
            It is not deleted at the exchange: do that there.</p>
          <p><strong>${withData ? "Key + associated data" : "Key only"}</strong> — ${withData
            ? "permanently deletes the key and all its associated data."
            : "removes the API key but leaves all associated trading data (trades, positions, equity snapshots, signals, and bot events) intact."}</p>
          <label class="check"><input type="checkbox" checked=${withData} disabled=${!may("data:delete")}
            onChange=${(/** @type {any} */ event) => setWithData(event.target.checked)} />
            <span>Delete all associated data</span></label>
          <p class="help">${counts.length ? `The key's data: ${counts.join(", ")}.` : "The key has no trading data."}
            ${!may("data:delete") && " Your session may not delete data."}</p>
          ${withData && html`<${Typed} phrase=${item.label} value=${typed} onChange=${setTyped} />`}
          <${FormProblem} problem=${form.problem} />
          <footer>
            <button type="button" onClick=${onClose} disabled=${form.busy}>Cancel</button>
            <button type="submit" class="danger" aria-busy=${form.busy}
              disabled=${form.busy || (withData && !isTyped(item.label, typed))}>${withData ? "Delete key and data" : "Delete key"}</button>
          </footer>
        </form>`;
      }}
    <//>
  <//>`;
}

/** @param {KeyDeletionPreview} preview returns why the key cannot be deleted yet, or null */
function refusalOf({ bot, held_positions }) {
  if (bot) {
    return html`<p><strong>The key is assigned to a bot.</strong></p>
      <p>Keys cannot be deleted while assigned to a bot. Unassign it from <a href="/bots/${bot.id}" dir="auto">${bot.name}</a> first.</p>`;
  }
  if (held_positions === 0) return null;
  return html`<p><strong>Positions are open.</strong></p>
    <p>A bot that had this key still holds ${counted(held_positions, "open position")} with it. Wait until the bot has closed
      them, or close them by hand if the bot no longer runs. <a href="/positions">Open Positions</a></p>`;
}

/** @param {{ operation: import("../../../types/api").Operation }} props */
function Following({ operation: first }) {
  const { operation, over } = useOperation(first);
  return html`<p role="status">${over
      ? operation.status === "succeeded" ? "All associated data are deleted." : "Deleting the data ended early."
      : "The associated data are hidden already, and are being deleted. You may leave this page: it goes on."}</p>
    <${Progress} operation=${operation} />
    <${Receipt} operation=${operation} />`;
}

/** @param {{ receipt: import("../../../types/api").DeletionReceipt }} props */
const KeyReceipt = ({ receipt }) => html`<p role="status">Deleted: ${kindCounts(receipt.deleted).join(", ")}. All associated
  trading data remain.</p>`;

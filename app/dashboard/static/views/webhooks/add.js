/** @file Adding a webhook, and its secret, which is shown once. */

import { post } from "../../kit/api.js";
import { html, useState } from "../../kit/html.js";
import { go } from "../../kit/router.js";
import { Dialog } from "../../parts/dialog.js";
import { FormProblem, useSubmit } from "../../parts/form.js";
import { isComplete, NEW, typesOf, WebhookFields } from "./fields.js";
import { SecretShown } from "./secret.js";

/** @typedef {import("../../../types/api").WebhookWithSecret} NewWebhook */

/** @param {{ onClose: () => void, onAdded: () => Promise<void> }} props */
export function AddWebhook({ onClose, onAdded }) {
  const [wanted, setWanted] = useState(NEW);
  const [added, setAdded] = useState(/** @type {NewWebhook | null} */ (null));
  const { busy, problem, submit, edited } = useSubmit(async (intent) => {
    const { url, format } = wanted;
    /** @type {NewWebhook} */
    const webhook = await post("/v1/webhooks", { url: url.trim(), format, types: typesOf(wanted) }, { intent });
    await onAdded();
    if (format === "standard") setAdded(webhook);
    else open(webhook.id);
  });
  const open = (/** @type {string} */ id) => {
    onClose();
    go(`/webhooks/${id}`);
  };
  if (added) return html`<${SecretShown} webhook=${added} onClose=${() => open(added.id)} />`;
  const change = (/** @type {any} */ part) => {
    setWanted((now) => ({ ...now, ...part }));
    edited();
  };
  return html`<${Dialog} title="Add webhook" onClose=${onClose} busy=${busy}>
    <form onSubmit=${submit} novalidate>
      <${FormProblem} problem=${problem} shown=${["url", "format", "types"]} />
      <${WebhookFields} wanted=${wanted} problem=${problem} onChange=${change} />
      <footer>
        <button type="button" disabled=${busy} onClick=${onClose}>Cancel</button>
        <button type="submit" class="primary" disabled=${busy || !isComplete(wanted)} aria-busy=${busy}>Add webhook</button>
      </footer>
    </form>
  <//>`;
}

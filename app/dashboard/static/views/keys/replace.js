/** @file "Replace credentials": the key keeps its bot, positions and settings. */

import { html, useEffect, useRef, useState } from "../../kit/html.js";
import { put } from "../../kit/api.js";
import { CredentialFields, useCredentials } from "../../parts/credentials.js";
import { Dialog } from "../../parts/dialog.js";
import { Copy, useBase, useSubmit } from "../../parts/form.js";
import { done } from "../../parts/notice.js";
import { Guide } from "./guide.js";
import { Progress } from "./progress.js";
import { Refusal, refusedFields } from "./refusal.js";

/** @typedef {import("../../../types/api").Key} Key */
/** @typedef {import("../../../types/api").ExchangeOffer} ExchangeOffer */

/**
 * @param {{ item: Key, tag: string, offer: ExchangeOffer, addresses: string[], onClose: () => void,
 *   reload: () => Promise<void> }} props
 */
export function Replace({ item, tag, offer, addresses, onClose, reload }) {
  const awaited = item.awaiting_api_key;
  const credentials = useCredentials(
    offer.credential_fields.filter(({ name }) => !awaited || name === "api_key"),
  );
  const latest = useRef(credentials);
  latest.current = credentials;
  const [same, setSame] = useState(false);
  const [leaving, setLeaving] = useState(false);
  const asked = useRef(false);
  useEffect(() => () => latest.current.clear(), []);

  const base = useBase(tag, reload);
  const { busy, problem, submit, edited } = useSubmit((intent) =>
    base.guarded(
      put(
        `/v1/keys/${item.id}/credentials`,
        { ...credentials.values(), ...(same ? { confirm_same_account: true } : {}) },
        { headers: { "If-Match": base.tag, "Idempotency-Key": intent } },
      ),
    ),
  );
  if (problem?.code === "same_account_unproven") asked.current = true;
  const names = credentials.fields.map(({ name }) => name);
  const send = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (Object.keys(credentials.check()).length) return;
    const replaced = await submit(event);
    if (!replaced) return;
    credentials.clear();
    const changes = (replaced.adjusted ?? []).map((/** @type {any} */ one) => one.detail).join(" ");
    done(`${awaited ? "The API key was entered." : "The credentials were replaced; the former ones are deleted."} ${changes}`.trim());
    onClose();
    await reload();
  };
  const close = () => (busy ? setLeaving(true) : onClose());
  return html`<${Dialog} title=${awaited ? "Enter the API Key" : "Replace credentials"} wide onClose=${close}>
    ${leaving && busy && html`<div class="box problem" role="alert">
      <p>The exchange is being asked. If you close now, the credentials may still be replaced.</p>
      <button type="button" class="small" onClick=${() => setLeaving(false)}>Keep waiting</button>
      <button type="button" class="small danger" onClick=${onClose}>Close anyway</button>
    </div>`}
    <form onSubmit=${send} onInput=${edited} autocomplete="off" novalidate class="columns">
      <div>
        <${Refusal} problem=${problem} names=${names} offer=${offer} environment=${item.environment} />
        ${awaited
          ? html`<p>Register the public key at ${offer.name}, then enter the API key that it shows.</p>
            <pre class="pem">${item.public_key}</pre><p><${Copy} text=${item.public_key ?? ""} label="Copy public key" /></p>`
          : html`<p><strong dir="auto">${item.label}</strong> keeps its bot, positions, trading assets and history. The new
            credentials must belong to the same account at ${offer.name}. The present ones are deleted.</p>`}
        <${CredentialFields} credentials=${credentials} refused=${refusedFields(problem, names)} disabled=${busy} />
        ${asked.current && html`<label class="check"><input type="checkbox" checked=${same} disabled=${busy}
          onChange=${(/** @type {any} */ event) => setSame(event.target.checked)} />
          <span>These credentials belong to the same account at ${offer.name}.</span></label>`}
        <${Progress} busy=${busy} text=${awaited ? "The API key is being stored…" : `${offer.name} is being asked whether it accepts these credentials…`} />
        <footer>
          <button type="button" onClick=${close}>Cancel</button>
          <button type="submit" class="primary" disabled=${busy} aria-busy=${busy}>${awaited ? "Save API Key" : "Replace credentials"}</button>
        </footer>
      </div>
      <${Guide} offer=${offer} environment=${item.environment} addresses=${addresses} pair=${item.public_key !== null} />
    </form>
  <//>`;
}

/** @file A webhook's new secret, and how the receiver checks what arrives. */

import { html } from "../../kit/html.js";
import { Dialog } from "../../parts/dialog.js";
import { Copy } from "../../parts/form.js";

/** @param {{ webhook: import("../../../types/api").WebhookWithSecret, onClose: () => void }} props */
export const SecretShown = ({ webhook, onClose }) => html`<${Dialog} title="The webhook's secret" wide busy onClose=${onClose}>
  <p>Copy it now: <strong>it is never shown again</strong>. The receiver checks with it that a message is from here,
  with any library of Standard Webhooks.</p>
  <div class="copied"><code class="secret" translate=${false}>${webhook.secret}</code><${Copy} text=${webhook.secret} label="Copy secret" /></div>
  <p>A receiver that should hold no secret checks the signature <code>v1a</code> with the public key, which stays on the
  webhook's page.</p>
  <footer><button type="button" class="primary" onClick=${onClose}>I have stored the secret</button></footer>
<//>`;

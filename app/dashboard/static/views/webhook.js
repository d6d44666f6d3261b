/** @file The page of one webhook: what it sends where, its secret, and its deliveries. */

import { patch, post, read, remove } from "../kit/api.js";
import { eventTitle } from "../kit/event_types.js";
import { ago, time } from "../kit/format.js";
import { html, useState } from "../kit/html.js";
import { useResource } from "../kit/resource.js";
import { go } from "../kit/router.js";
import { Confirm, Dialog } from "../parts/dialog.js";
import { Copy, FormProblem, useBase, useSubmit } from "../parts/form.js";
import { done, failed } from "../parts/notice.js";
import { Empty, Loaded } from "../parts/states.js";
import { Deliveries } from "./webhooks/deliveries.js";
import { isComplete, typesOf, WebhookFields } from "./webhooks/fields.js";
import { SecretShown } from "./webhooks/secret.js";
import { concerns, FORMATS, hostOf, WebhookBadge } from "./webhooks/words.js";

/** @typedef {import("../../types/api").Webhook} Webhook */
/** @typedef {{ webhook: Webhook, tag: string, reload: () => Promise<void> }} OfWebhook */

/** @param {{ id: string }} props */
export function View({ id }) {
  const resource = useResource(`/v1/webhooks/${id}`, (stop) => read(`/v1/webhooks/${id}`, stop), concerns);
  const { problem, reload } = resource;
  if (problem?.status === 404 || problem?.code === "invalid_request") {
    return html`<${Empty} title="There is no such webhook"><p>It may have been deleted.</p>
      <a class="button" href="/webhooks">Open all webhooks</a><//>`;
  }
  return html`<${Loaded} resource=${resource} what="the webhook">
    ${(/** @type {{ body: Webhook, tag: string }} */ { body, tag }) =>
      html`<${Page} webhook=${body} tag=${tag} reload=${reload} />`}
  <//>`;
}

/** @param {OfWebhook} props */
function Page({ webhook, tag, reload }) {
  const [dialog, setDialog] = useState(/** @type {"" | "change" | "rotate" | "delete"} */ (""));
  const [busy, setBusy] = useState(false);
  const [round, setRound] = useState(0);
  const close = () => setDialog("");
  const act = async (/** @type {() => Promise<unknown>} */ action, /** @type {string} */ sentence) => {
    setBusy(true);
    try {
      await action();
      await reload();
      setRound((now) => now + 1);
      done(sentence);
    } catch (error) {
      failed(error);
    } finally {
      setBusy(false);
    }
  };
  const path = `/v1/webhooks/${webhook.id}`;
  const test = () => act(() => post(`${path}/test`), "A test is on its way.");
  const toggle = () =>
    act(
      () => patch(path, { active: !webhook.active }),
      webhook.active ? "Nothing is sent any more." : "What happens from now on is sent.",
    );
  return html`
    <p class="path"><a href="/webhooks">Webhooks</a></p>
    <header class="title">
      <h1 dir="auto">${hostOf(webhook.url)}</h1>
      <${WebhookBadge} webhook=${webhook} />
      <button type="button" disabled=${busy} onClick=${test}>Send a test</button>
      <button type="button" disabled=${busy} onClick=${toggle}>${webhook.active ? "Deactivate" : "Activate"}</button>
      <button type="button" onClick=${() => setDialog("change")}>Change</button>
      <button type="button" onClick=${() => setDialog("delete")}>Delete</button>
    </header>
    <${Trouble} webhook=${webhook} />
    <section class="card" aria-labelledby="sends">
      <h2 id="sends">What it sends</h2>
      <dl class="facts">
        <dt>Address</dt><dd>${webhook.url === null
          ? "The service no longer has the key of this address: enter it again with “Change”."
          : html`<code translate=${false} class="words">${webhook.url}</code>`}</dd>
        <dt>Format</dt><dd>${FORMATS[webhook.format]}</dd>
        <dt>Events</dt><dd>${webhook.types.length ? webhook.types.map(eventTitle).join(", ") : "All"}</dd>
        <dt>Added</dt><dd>${time(webhook.created_at)}</dd>
      </dl>
    </section>
    ${webhook.format === "standard" && html`<section class="card" aria-labelledby="signature">
      <h2 id="signature">Signature</h2>
      <p>Each message is signed twice: <code>v1</code> with the secret, which was shown once, and <code>v1a</code> with
      the private half of this public key.</p>
      <div class="copied"><code translate=${false}>${webhook.public_key}</code><${Copy} text=${webhook.public_key} label="Copy public key" /></div>
      ${webhook.former_secret_until && html`<p>The secret before the last rotation signs as well until ${time(webhook.former_secret_until)}.</p>`}
      <div class="actions"><button type="button" onClick=${() => setDialog("rotate")}>Rotate the secret</button></div>
    </section>`}
    <${Deliveries} id=${webhook.id} round=${round} />
    ${dialog === "change" && html`<${ChangeWebhook} webhook=${webhook} tag=${tag} reload=${reload} onClose=${close} />`}
    ${dialog === "rotate" && html`<${Rotate} webhook=${webhook} reload=${reload} onClose=${close} />`}
    ${dialog === "delete" && html`<${Confirm} title="Delete webhook" action="Delete webhook" danger onClose=${close}
      onConfirm=${async () => {
        await remove(path);
        done("The webhook was deleted.");
        go("/webhooks");
      }}>
      <p>Nothing more is sent to <strong dir="auto">${hostOf(webhook.url)}</strong>, and the list of its deliveries is deleted.</p>
    <//>`}
  `;
}

/** Why nothing arrives, if nothing does. @param {{ webhook: Webhook }} props */
function Trouble({ webhook: { disabled, failing_since: since } }) {
  if (disabled) {
    const why = disabled.reason === "gone" ? "the receiver answered that it is gone (410)" : "no attempt succeeded for 5 days";
    return html`<div class="problem box" role="alert"><p>It was deactivated ${ago(disabled.at)}: ${why}. Put the receiver
      right, then activate it: what happens from then on is sent.</p></div>`;
  }
  if (since) {
    return html`<div class="warning box"><p>No attempt has succeeded since ${time(since)}. Each message is tried ten times
      within four days.</p></div>`;
  }
  return null;
}

/** @param {OfWebhook & { onClose: () => void }} props */
function ChangeWebhook({ webhook, tag, reload, onClose }) {
  const [wanted, setWanted] = useState({
    url: webhook.url ?? "",
    format: /** @type {string} */ (webhook.format),
    types: /** @type {string[]} */ (webhook.types),
    all: webhook.types.length === 0,
  });
  const base = useBase(tag, reload);
  const { busy, problem, submit, edited } = useSubmit(async () => {
    const { url, format } = wanted;
    const change = { url: url.trim(), format, types: typesOf(wanted) };
    await base.guarded(patch(`/v1/webhooks/${webhook.id}`, change, { headers: { "If-Match": base.tag } }));
    await reload();
    done("The webhook was changed.");
    onClose();
  });
  const change = (/** @type {any} */ part) => {
    setWanted((now) => ({ ...now, ...part }));
    edited();
  };
  return html`<${Dialog} title="Change webhook" onClose=${onClose} busy=${busy}>
    <form onSubmit=${submit} novalidate>
      <${FormProblem} problem=${problem} shown=${["url", "format", "types"]} />
      <${WebhookFields} wanted=${wanted} problem=${problem} onChange=${change} />
      <footer>
        <button type="button" disabled=${busy} onClick=${onClose}>Cancel</button>
        <button type="submit" class="primary" disabled=${busy || !isComplete(wanted)} aria-busy=${busy}>Save</button>
      </footer>
    </form>
  <//>`;
}

/** @param {{ webhook: Webhook, reload: () => Promise<void>, onClose: () => void }} props */
function Rotate({ webhook, reload, onClose }) {
  const [rotated, setRotated] = useState(/** @type {any} */ (null));
  const [leaked, setLeaked] = useState(false);
  const { busy, problem, submit, edited } = useSubmit(async (intent) => {
    const rotation = { end_former: leaked };
    setRotated(await post(`/v1/webhooks/${webhook.id}/rotate-secret`, rotation, { intent }));
    await reload();
  });
  const choose = (/** @type {any} */ event) => {
    setLeaked(event.target.checked);
    edited();
  };
  if (rotated) return html`<${SecretShown} webhook=${rotated} onClose=${onClose} />`;
  return html`<${Dialog} title="Rotate the secret" onClose=${onClose} busy=${busy}>
    <form onSubmit=${submit}>
      <p>The webhook gets a new secret and a new public key. The present ones sign as well for 24 hours, so that the
      receiver can be changed without losing a message.</p>
      <label class="choice"><input type="checkbox" checked=${leaked} onChange=${choose} />
        <span>The secret has leaked: end the present ones at once</span></label>
      <${FormProblem} problem=${problem} />
      <footer>
        <button type="button" disabled=${busy} onClick=${onClose}>Cancel</button>
        <button type="submit" class="primary" disabled=${busy} aria-busy=${busy}>Rotate the secret</button>
      </footer>
    </form>
  <//>`;
}

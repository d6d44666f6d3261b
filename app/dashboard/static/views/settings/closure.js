/** @file Closing the account: what goes with it, a typed confirmation, and open positions. */

import { get, remove } from "../../kit/api.js";
import { closing } from "../../kit/closing.js";
import { counted } from "../../kit/format.js";
import { html, useState } from "../../kit/html.js";
import { kindCounts } from "../../kit/kinds.js";
import { useResource } from "../../kit/resource.js";
import { account } from "../../kit/session.js";
import { Dialog } from "../../parts/dialog.js";
import { FormProblem, useSubmit } from "../../parts/form.js";
import { isTyped, Typed } from "../../parts/typed.js";

const PHRASE = "close my account";

export function Closure() {
  const [asking, setAsking] = useState(false);
  return html`<section class="card" aria-labelledby="closure">
    <h2 id="closure">Close account</h2>
    <p>Deletes everything in the account, and the account itself. This cannot be undone.</p>
    <div class="actions"><button type="button" class="danger" onClick=${() => setAsking(true)}>Close account…</button></div>
    ${asking && html`<${CloseAccount} onClose=${() => setAsking(false)} />`}
  </section>`;
}

/** @param {AbortSignal} stop */
async function openPositions(stop) {
  /** @type {import("../../../types/api").Dashboard} */
  const { environments } = await get("/v1/dashboard", {}, stop);
  return environments.live.open_positions + environments.testnet.open_positions;
}

/** @param {{ onClose: () => void }} props */
function CloseAccount({ onClose }) {
  const [typed, setTyped] = useState("");
  const [force, setForce] = useState(false);
  const { data } = useResource("open positions", openPositions);
  const { busy, problem, submit } = useSubmit(async (intent) => {
    const query = force ? "?force=true" : "";
    const operation = await remove(`/v1/account${query}`, { headers: { "Idempotency-Key": intent } });
    closing.value = operation.id;
  });
  const held = problem?.code === "open_positions" ? Number(problem.body.count) : (data ?? 0);
  /** @type {Record<string, number>} */
  const counts = {};
  for (const one of account.value?.data ?? []) {
    for (const [kind, number] of Object.entries(one.counts)) counts[kind] = (counts[kind] ?? 0) + number;
  }
  const listed = kindCounts(counts, false);
  return html`<${Dialog} title="Close account" onClose=${onClose} busy=${busy}>
    <form onSubmit=${submit}>
      <p>At once deleted: all API keys with their credentials and trading assets, all bots and their tokens, all freezes and webhooks.
      Then all trading data${listed.length ? html`: ${listed.join(", ")}` : ""}. You are signed out.</p>
      <p>The audit log is kept until its retention ends. The exchanges keep your keys: revoke them there.</p>
      ${held > 0 && html`<p class="warning">${counted(held, "position")} ${held === 1 ? "is" : "are"} open, which no bot will manage once the
        account is closed. Close ${held === 1 ? "it" : "them"} first, or close the account all the same:</p>
        <label class="choice"><input type="checkbox" checked=${force}
          onChange=${(/** @type {any} */ event) => setForce(event.target.checked)} />
          <span>Close the account although positions are open</span></label>`}
      <${Typed} phrase=${PHRASE} value=${typed} onChange=${setTyped} />
      <${FormProblem} problem=${problem} />
      <footer>
        <button type="button" disabled=${busy} onClick=${onClose}>Cancel</button>
        <button type="submit" class="danger" aria-busy=${busy}
          disabled=${busy || !isTyped(PHRASE, typed) || (held > 0 && !force)}>Close account</button>
      </footer>
    </form>
  <//>`;
}

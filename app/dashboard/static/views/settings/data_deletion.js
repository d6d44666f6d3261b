/** @file Deleting trading data in bulk: what, a preview with counts, a typed confirmation, a receipt. */

import { post } from "../../kit/api.js";
import { counted } from "../../kit/format.js";
import { html, useEffect, useState } from "../../kit/html.js";
import { kindCounts } from "../../kit/kinds.js";
import { startOf } from "../../kit/period.js";
import { account, reloadAccount, timeZone } from "../../kit/session.js";
import { EnvironmentBadge } from "../../parts/badges.js";
import { Dialog } from "../../parts/dialog.js";
import { Field, FormProblem, useSubmit } from "../../parts/form.js";
import { Failure } from "../../parts/states.js";
import { OperationBadge, Progress, Receipt, useOperation } from "../../parts/operation.js";
import { isTyped, Typed } from "../../parts/typed.js";

/** @typedef {import("../../../types/api").DataDeletion} Wanted */
/** @typedef {import("../../../types/api").Operation} Operation */

const PHRASE = "delete data";
const SCOPES = /** @type {const} */ ([
  ["all", "Everything, of live and testnet"],
  ["environment", "One environment"],
  ["keys", "Some keys"],
  ["before", "What happened before a day"],
]);

/** @param {{ onBegun: () => void }} props */
export function DataDeletion({ onBegun }) {
  const [asking, setAsking] = useState(false);
  return html`<section class="card" aria-labelledby="deletion">
    <h2 id="deletion">Delete data</h2>
    <p>Deletes trades, funding payments, positions, equity snapshots, signals and bot events in bulk, across all
    keys. Keys, bots, tokens and open positions are kept, and so is the audit log.</p>
    <div class="actions"><button type="button" onClick=${() => setAsking(true)}>Delete data…</button></div>
    ${asking && html`<${Deletion} onBegun=${onBegun} onClose=${() => setAsking(false)} />`}
  </section>`;
}

/** The steps of one deletion. @param {{ onBegun: () => void, onClose: () => void }} props */
function Deletion({ onBegun, onClose }) {
  const [wanted, setWanted] = useState(/** @type {Wanted | null} */ (null));
  const [operation, setOperation] = useState(/** @type {Operation | null} */ (null));
  const begun = (/** @type {Operation} */ started) => {
    setOperation(started);
    onBegun();
  };
  if (operation) return html`<${Deleted} first=${operation} onClose=${onClose} />`;
  if (wanted) {
    return html`<${Preview} wanted=${wanted} onBack=${() => setWanted(null)} onClose=${onClose} onDeleted=${begun} />`;
  }
  return html`<${Choose} onClose=${onClose} onChosen=${setWanted} />`;
}

/** @param {{ onClose: () => void, onChosen: (wanted: Wanted) => void }} props */
function Choose({ onClose, onChosen }) {
  const [scope, setScope] = useState(/** @type {string} */ (""));
  const [environment, setEnvironment] = useState("");
  const [day, setDay] = useState("");
  const [keys, setKeys] = useState(/** @type {string[]} */ ([]));
  useEffect(() => void reloadAccount().catch(() => {}), []);
  const known = account.value?.data ?? [];
  const narrowed = scope === "before";
  const complete =
    scope === "all" ||
    (scope === "environment" && environment !== "") ||
    (scope === "keys" && keys.length > 0) ||
    (narrowed && day !== "");
  const choose = (/** @type {Event} */ event) => {
    event.preventDefault();
    /** @type {any} */
    const wanted = { scope };
    if ((scope === "environment" || narrowed) && environment) wanted.environment = environment;
    if ((scope === "keys" || narrowed) && keys.length) wanted.key_ids = keys;
    if (narrowed) wanted.before = startOf(day, timeZone.value);
    onChosen(wanted);
  };
  const toggle = (/** @type {string} */ id) =>
    setKeys((now) => (now.includes(id) ? now.filter((one) => one !== id) : [...now, id]));
  return html`<${Dialog} title="Delete data" onClose=${onClose}>
    <form onSubmit=${choose}>
      <fieldset class="choices"><legend>What to delete</legend>
        ${SCOPES.map(([name, title]) => html`<label class="choice"><input type="radio" name="scope" value=${name}
          checked=${scope === name} onChange=${() => setScope(name)} /><span>${title}</span></label>`)}
      </fieldset>
      ${narrowed && html`<${Field} label="Before the day" help="What happened before 00:00 of this day in ${timeZone.value} is deleted.">
        ${(/** @type {any} */ attributes) => html`<input ...${attributes} type="date" required value=${day}
          onInput=${(/** @type {any} */ event) => setDay(event.target.value)} />`}
      <//>`}
      ${(scope === "environment" || narrowed) && html`<${Field} label="Environment">
        ${(/** @type {any} */ attributes) => html`<select ...${attributes} value=${environment}
          onChange=${(/** @type {any} */ event) => setEnvironment(event.target.value)}>
          <option value="" disabled=${!narrowed}>${narrowed ? "Live and testnet" : "Choose one"}</option>
          <option value="live">Live</option><option value="testnet">Testnet</option>
        </select>`}
      <//>`}
      ${(scope === "keys" || narrowed) && html`<fieldset class="choices">
        <legend>${narrowed ? "Only of these keys (none chosen: all)" : "Of these keys"}</legend>
        ${known.map(({ key, counts }) => html`<label class="choice" key=${key.id}>
          <input type="checkbox" checked=${keys.includes(key.id)} onChange=${() => toggle(key.id)} />
          <span><span dir="auto">${key.label}</span> <${EnvironmentBadge} environment=${key.environment} />
          ${key.deleted && html` <span class="badge">deleted key</span>`}
          <span class="faint"> ${kindCounts(/** @type {any} */ (counts)).join(", ")}</span></span></label>`)}
        ${!known.length && html`<p>No key has trading data.</p>`}
      </fieldset>`}
      <footer>
        <button type="button" onClick=${onClose}>Cancel</button>
        <button type="submit" class="primary" disabled=${!complete}>Show what would be deleted</button>
      </footer>
    </form>
  <//>`;
}

/**
 * @param {{ wanted: Wanted, onBack: () => void, onClose: () => void, onDeleted: (operation: Operation) => void }} props
 */
function Preview({ wanted, onBack, onClose, onDeleted }) {
  const [preview, setPreview] = useState(/** @type {any} */ (null));
  const [typed, setTyped] = useState("");
  const count = useSubmit(async () => setPreview(await post("/v1/data-deletions", { ...wanted, dry_run: true })));
  const deletion = useSubmit(async (intent) => onDeleted(await post("/v1/data-deletions", wanted, { intent })));
  useEffect(() => void count.submit(undefined), []);
  const counts = preview ? kindCounts(preview.counts, preview.exact) : [];
  const kept = preview?.kept.positions ?? 0;
  return html`<${Dialog} title="Delete data" onClose=${onClose} busy=${deletion.busy}>
    <form onSubmit=${deletion.submit}>
      ${count.problem && html`<${Failure} problem=${count.problem} retry=${() => void count.submit(undefined)} />`}
      ${!preview && !count.problem && html`<p class="loading" role="status">Counting…</p>`}
      ${preview && counts.length === 0 && html`<p>There is nothing to delete.</p>`}
      ${counts.length > 0 && html`
        <p>This would be deleted for good:</p>
        <ul class="counts">${counts.map((text) => html`<li>${text}</li>`)}</ul>
        ${kept > 0 && html`<p>${counted(kept, "open position")} ${kept === 1 ? "is" : "are"} kept.</p>`}
        <p>The data are hidden at once, and bots' late reports of them are refused. This cannot be undone or stopped.</p>
        <${Typed} phrase=${PHRASE} value=${typed} onChange=${setTyped} />`}
      <${FormProblem} problem=${deletion.problem} />
      <footer>
        <button type="button" disabled=${deletion.busy} onClick=${onBack}>Back</button>
        <button type="submit" class="danger" aria-busy=${deletion.busy}
          disabled=${deletion.busy || !counts.length || !isTyped(PHRASE, typed)}>Delete data</button>
      </footer>
    </form>
  <//>`;
}

/** @param {{ first: Operation, onClose: () => void }} props */
function Deleted({ first, onClose }) {
  const { operation, over, problem } = useOperation(first);
  useEffect(() => {
    if (over) reloadAccount().catch(() => {});
  }, [over]);
  return html`<${Dialog} title=${over ? "Receipt" : "Deleting data"} onClose=${onClose}>
    <p><${OperationBadge} operation=${operation} /></p>
    ${problem && html`<p class="problem" role="alert">${problem.message}</p>`}
    <${Progress} operation=${operation} /><${Receipt} operation=${operation} />
    ${!over && html`<p class="help">You can close this: the deletion goes on, and its receipt stands in Settings for 30 days.</p>`}
    <footer><button type="button" class="primary" onClick=${onClose}>${over ? "Done" : "Close"}</button></footer>
  <//>`;
}

/** @file The dialog that imports trades from a file: sends it, follows the operation, shows its receipt. */

import { html, useEffect, useRef, useState } from "../kit/html.js";
import { get } from "../kit/api.js";
import { counted, decimal } from "../kit/format.js";
import { useResource } from "../kit/resource.js";
import { timeZone } from "../kit/session.js";
import { upload } from "../kit/upload.js";
import { Dialog } from "./dialog.js";
import { Field, FormProblem, useSubmit } from "./form.js";
import { Cancel, Progress, useOperation } from "./operation.js";
import { Loaded } from "./states.js";

/** @typedef {import("../../types/api").Operation} Operation */
/** @typedef {import("../../types/api").ImportedRows} ImportedRows */

const FORMATS = /** @type {const} */ ([
  ["botkeys", "Botkeys (an export of this page)"],
  ["freqtrade", "freqtrade"],
  ["bybit_closed_pnl", "Bybit closed P&L"],
  ["binance_income", "Binance income history"],
  ["binance_trades", "Binance trades"],
]);
const TYPES = /** @type {Record<string, string>} */ ({
  csv: "text/csv",
  ndjson: "application/x-ndjson",
  jsonl: "application/x-ndjson",
  json: "application/json",
});

/** @param {string} name */
const typeOf = (name) => TYPES[name.slice(name.lastIndexOf(".") + 1).toLowerCase()] ?? null;

/**
 * @param {{ directory: import("../kit/directory.js").Directory, onClose: () => void, onDone: () => void }} props
 *   `onDone` is called once trades were stored
 */
export function ImportDialog({ directory, onClose, onDone }) {
  const [file, setFile] = useState(/** @type {File | null} */ (null));
  const [values, setValues] = useState({ key_id: "", bot_id: "", format: "botkeys", time_zone: timeZone.value, on_error: "report" });
  const [sent, setSent] = useState(/** @type {number | null} */ (null));
  const [operation, setOperation] = useState(/** @type {Operation | null} */ (null));
  const stop = useRef(new AbortController());
  useEffect(() => () => stop.current.abort(), []);

  const send = async (/** @type {boolean} */ dryRun) => {
    if (!file) return;
    const { time_zone, ...rest } = values;
    const query = { ...rest, dry_run: dryRun, time_zone: values.format === "bybit_closed_pnl" ? time_zone : null };
    setSent(0);
    try {
      const options = { type: typeOf(file.name) ?? "", stop: stop.current.signal, onSent: setSent };
      setOperation(await upload("/v1/trades/import", query, file, options));
    } finally {
      setSent(null);
    }
  };
  const check = useSubmit(() => send(true));
  const store = useSubmit(() => send(false));
  if (operation) {
    return html`<${Dialog} title="Import trades" wide=${true} onClose=${onClose}>
      <${Outcome} key=${operation.id} operation=${operation} onDone=${onDone}
        onStore=${() => { setOperation(null); void store.submit(undefined); }} onClose=${onClose} />
    <//>`;
  }
  const set = (/** @type {string} */ name) => (/** @type {any} */ event) => {
    check.clear();
    store.clear();
    setValues((now) => ({ ...now, [name]: event.target.value }));
  };
  const problem = check.problem ?? store.problem;
  const faults = problem?.fields ?? {};
  const busy = sent !== null;
  const wrongFile = file !== null && typeOf(file.name) === null;
  const keys = [...directory.keys.values()].filter((key) => !key.deleted);
  return html`<${Dialog} title="Import trades" onClose=${onClose} busy=${busy}>
    <form onSubmit=${check.submit}>
      <${Field} label="Key" help="The key that the trades were made with." error=${faults.key_id}>
        ${(/** @type {any} */ attributes) => html`<select ...${attributes} required value=${values.key_id} onChange=${set("key_id")}>
          <option value="">Choose a key</option>
          ${keys.map((key) => html`<option key=${key.id} value=${key.id}>${key.label} (${key.exchange}, ${key.environment})</option>`)}
        </select>`}
      <//>
      <${Field} label="Format" help="Who wrote the file." error=${faults.format}>
        ${(/** @type {any} */ attributes) => html`<select ...${attributes} value=${values.format} onChange=${set("format")}>
          ${FORMATS.map(([name, title]) => html`<option key=${name} value=${name}>${title}</option>`)}
        </select>`}
      <//>
      ${values.format === "bybit_closed_pnl" &&
      html`<${Field} label="Time zone of the file" help="As set at Bybit: newer files of its website do not name it." error=${faults.time_zone}>
        ${(/** @type {any} */ attributes) => html`<input ...${attributes} value=${values.time_zone} onInput=${set("time_zone")} />`}
      <//>`}
      <${Field} label="Bot" help="The bot that the trades belong to. Without one, a trade belongs to the bot that the file names, or to none." error=${faults.bot_id}>
        ${(/** @type {any} */ attributes) => html`<select ...${attributes} value=${values.bot_id} onChange=${set("bot_id")}>
          <option value="">As the file says</option>
          ${[...directory.bots.values()].map((bot) => html`<option key=${bot.id} value=${bot.id}>${bot.name}</option>`)}
        </select>`}
      <//>
      <${Field} label="If a row is refused" error=${faults.on_error}>
        ${(/** @type {any} */ attributes) => html`<select ...${attributes} value=${values.on_error} onChange=${set("on_error")}>
          <option value="report">Store the others</option>
          <option value="abort">Store nothing</option>
        </select>`}
      <//>
      <${Field} label="File" help="CSV, NDJSON or JSON, up to 512 MiB and 1,000,000 rows. Importing a file again changes nothing."
        error=${wrongFile ? "The name must end in .csv, .ndjson, .jsonl or .json." : undefined}>
        ${(/** @type {any} */ attributes) => html`<input ...${attributes} type="file" required accept=".csv,.ndjson,.jsonl,.json"
          onChange=${(/** @type {any} */ event) => setFile(event.target.files[0] ?? null)} />`}
      <//>
      <${FormProblem} problem=${problem} shown=${["key_id", "format", "bot_id", "on_error", ...(values.format === "bybit_closed_pnl" ? ["time_zone"] : [])]} />
      ${busy && html`<p role="status">Sending the file: ${Math.floor(sent * 100)} %</p><progress max="1" value=${sent} aria-label="Sending the file"></progress>`}
      <footer>
        <button type="button" onClick=${onClose} disabled=${busy}>Cancel</button>
        <button type="button" disabled=${busy || wrongFile || !file || !values.key_id} onClick=${store.submit}>Import</button>
        <button type="submit" class="primary" disabled=${busy || wrongFile} aria-busy=${busy}>Check first</button>
      </footer>
    </form>
  <//>`;
}

/**
 * The operation until it ends, then its receipt.
 *
 * @param {{ operation: Operation, onStore: () => void, onDone: () => void, onClose: () => void }} props
 */
function Outcome({ operation, onStore, onDone, onClose }) {
  const { operation: current, over: ended, problem } = useOperation(operation);
  useEffect(() => {
    if (ended && !current.scope.dry_run) onDone();
  }, [ended]);
  const rows = current.receipt?.imported ?? null;
  const dry = current.scope.dry_run === true;
  const refused = Object.values(rows?.refused ?? {}).reduce((sum, count) => sum + count, 0);
  return html`
    <p role="status">${sentence(current, dry)}</p>
    ${current.error && html`<p class="problem" role="alert">${current.error}</p>`}
    ${problem && html`<p class="problem">${problem.message}</p>`}
    <${Progress} operation=${current} />
    ${rows && html`<${Receipt} rows=${rows} dry=${dry} refused=${refused} />`}
    ${ended && refused > 0 && html`<${Refused} id=${current.id} count=${refused} />`}
    <footer>
      <${Cancel} operation=${current} />
      ${ended && dry && current.status === "succeeded" && (rows?.stored ?? 0) > 0 && html`<button type="button" class="primary" onClick=${onStore}>Import now</button>`}
      <button type="button" onClick=${onClose}>Close</button>
    </footer>
  `;
}

/**
 * @param {Operation} operation
 * @param {boolean} dry
 */
function sentence(operation, dry) {
  if (operation.status === "succeeded") {
    const stored = operation.receipt?.imported?.stored ?? 0;
    if (dry) return "The file was checked. Nothing is stored yet.";
    return stored ? "The trades are imported." : "No row of the file was stored.";
  }
  if (operation.status === "failed") return "Nothing of the file was stored.";
  if (operation.status === "cancelled") return "The import was cancelled, and what it had stored is removed.";
  if (operation.phase === "undoing") return "Removing what was stored…";
  return `${dry ? "Checking the file" : "Importing"}. You may close this: it goes on by itself.`;
}

/** @param {{ rows: ImportedRows, dry: boolean, refused: number }} props */
function Receipt({ rows, dry, refused }) {
  const counts = /** @type {[string, number][]} */ ([
    ["Rows of the file", rows.read],
    [dry ? "Would be stored" : "Stored", rows.stored],
    ["Stored before, or repeated in the file", rows.duplicate],
    ["Skipped, such as open trades", rows.skipped],
    ["Refused", refused],
  ]);
  return html`<dl class="facts receipt">
    ${counts.map(([term, count]) => html`<dt>${term}</dt><dd>${count.toLocaleString("en")}</dd>`)}
    ${Object.entries(rows.sums).map(
      ([asset, sums]) => html`<dt>P&L in ${asset}</dt>
        <dd>${decimal(sums.pnl)} from ${counted(sums.trades, "trade")}, fees ${decimal(sums.fees)}${sums.funding ? `, funding ${decimal(sums.funding)}` : ""}</dd>`,
    )}
  </dl>`;
}

/** @param {{ id: string, count: number }} props */
function Refused({ id, count }) {
  const resource = useResource(`refused ${id}`, (stop) => get(`/v1/trades/import/${id}/refused`, {}, stop));
  return html`<h3>Refused rows</h3>
    <${Loaded} resource=${resource} what="the refused rows">
      ${(/** @type {import("../../types/api").RefusedRows} */ data) => html`
        ${data.items.length < count && html`<p class="help">The first ${data.items.length.toLocaleString("en")} of ${count.toLocaleString("en")}:</p>`}
        <div class="scroll" tabindex="0" role="region" aria-label="Refused rows">
          <table>
            <thead><tr><th>Line</th><th>Why</th></tr></thead>
            <tbody>${data.items.map((row) => html`<tr><td>${row.line}</td><td>${row.detail}</td></tr>`)}</tbody>
          </table>
        </div>`}
    <//>`;
}

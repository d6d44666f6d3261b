/** @file The configuration page of one key. */

import { html, useEffect, useRef, useState } from "../kit/html.js";
import { get, patch, read } from "../kit/api.js";
import { CONTRACT_TYPES, exchangeName, useExchanges } from "../kit/exchanges.js";
import { ago, counted, time } from "../kit/format.js";
import { freeze } from "../kit/freezes.js";
import { useListing } from "../kit/listing.js";
import { useResource } from "../kit/resource.js";
import { go } from "../kit/router.js";
import { may } from "../kit/session.js";
import { EnvironmentBadge, StateBadge } from "../parts/badges.js";
import { Confirm } from "../parts/dialog.js";
import { Copy, Field, useBase, useSubmit } from "../parts/form.js";
import { EFFECT, LiftFreeze, Reason } from "../parts/freezing.js";
import { done } from "../parts/notice.js";
import { ReasonList } from "../parts/reasons.js";
import { Empty, Failure } from "../parts/states.js";
import { Activation } from "./keys/activation.js";
import { Assets } from "./keys/assets.js";
import { DeleteKey } from "./keys/delete.js";
import { Freshness, Instruments } from "./keys/instruments.js";
import { Replace } from "./keys/replace.js";
import { Sparkline } from "./keys/sparkline.js";

/** @typedef {import("../../types/api").Key} Key */
/** @typedef {import("../../types/api").Asset} Asset */
/** @typedef {import("../../types/api").Freeze} Freeze */

const LONGEST_LABEL = 100;

/** @param {{ id: string }} props */
export function View({ id }) {
  const path = `/v1/keys/${id}`;
  const [dialog, setDialog] = useState("");
  const [deleted, setDeleted] = useState(false);
  const deleting = useRef(false);
  const exchanges = useExchanges();
  const resource = useResource(path, (stop) => read(path, stop), (event) =>
    !deleting.current && (event.key_id === id || /^(freeze|account)\./.test(event.type)),
  );
  if (resource.problem?.status === 404 && !deleted) {
    return html`<${Empty} title="There is no such key">
      <p>It was deleted, or it belongs to another account.</p><a class="button" href="/keys">All API keys</a><//>`;
  }
  if (!resource.data) {
    return resource.problem
      ? html`<${Failure} problem=${resource.problem} retry=${resource.reload} />`
      : html`<p class="loading" role="status">Reading the key…</p>`;
  }
  const { body: item, tag } = /** @type {{ body: Key, tag: string }} */ (resource.data);
  const offer = exchanges.data?.items.find((/** @type {any} */ one) => one.exchange === item.exchange);
  const addresses = exchanges.data?.outbound_addresses ?? [];
  const reload = resource.reload;
  const close = () => setDialog("");
  const common = { item, tag, offer, reload };
  const page = html`
    <p class="back"><a href="/keys">← API keys</a></p>
    ${resource.problem && !deleted && html`<${Failure} problem=${resource.problem} retry=${reload} stale />`}
    <${Title} ...${common} />
    ${item.awaiting_api_key && html`<div class="notice-box">
      <p><strong>The API key is still missing.</strong> Register the public key at ${exchangeName(item.exchange)}, then enter the
        API key that it shows.</p>
      <${Copy} text=${item.public_key ?? ""} label="Copy public key" />
      <button type="button" class="primary small" onClick=${() => setDialog("replace")}>Enter the API Key</button>
    </div>`}
    ${item.blocked_by.length > 0 && html`<section class="card warns" aria-label="Why no position is opened">
      <h2>No new positions are opened with this key</h2>
      <${ReasonList} codes=${item.blocked_by} place=${{ key_id: id, bot_id: item.bot?.id ?? null }} here=${`/keys/${id}`} />
    </section>`}
    <div class="pair">
      <${Facts} item=${item} />
      <${Use} item=${item} />
    </div>
    <${ContractType} ...${common} />
    <${TradingAssets} key=${item.contract_type} ...${common} />
    ${may("keys:write") && html`<div class="pair">
      <section class="card">
        <h2>Credentials</h2>
        <p>Replace them when they expire or were renewed. The key keeps its bot, positions, settings and history.</p>
        <button type="button" disabled=${!offer} onClick=${() => setDialog("replace")}>
          ${item.awaiting_api_key ? "Enter the API Key" : "Replace credentials"}</button>
      </section>
      <${Frozen} item=${item} />
    </div>
    <section class="card danger-zone">
      <div><h2>Delete this key</h2>
        <p>It must be unassigned from any bot first. You choose what happens to its trading data.</p></div>
      <button type="button" class="danger" onClick=${() => setDialog("delete")}>Delete</button>
    </section>`}
  `;
  // The dialog outlives the key: it shows what became of it.
  return html`
    ${!deleted && page}
    ${dialog === "replace" && offer && html`<${Replace} ...${common} addresses=${addresses} onClose=${close} />`}
    ${dialog === "delete" && html`<${DeleteKey} ...${common} deleting=${deleting} onDeleted=${() => setDeleted(true)}
      onClose=${() => (deleted ? go("/keys") : close())} />`}
  `;
}

/** @param {{ item: Key, tag: string, reload: () => Promise<void> }} props the label, the state and the switch */
function Title({ item, tag, reload }) {
  const [renaming, setRenaming] = useState(false);
  return html`<header class="title">
      ${renaming
        ? html`<${Rename} ...${{ item, tag, reload }} onClose=${() => setRenaming(false)} />`
        : html`<h1 dir="auto">${item.label}</h1>
          ${may("keys:write") && html`<button type="button" class="small" onClick=${() => setRenaming(true)}>Rename</button>`}`}
      <${EnvironmentBadge} environment=${item.environment} />
      <${StateBadge} state=${item.state} />
      <${Activation} item=${item} onChanged=${reload} />
    </header>
    <p class="lead">${item.state.sentence}${item.state.since && html` <span title=${time(item.state.since)}>Since ${ago(item.state.since)}.</span>`}</p>`;
}

/** @param {{ item: Key, tag: string, reload: () => Promise<void>, onClose: () => void }} props */
function Rename({ item, tag, reload, onClose }) {
  const [label, setLabel] = useState(item.label);
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  useEffect(() => input.current?.select(), []);
  const base = useBase(tag, reload);
  const form = useSubmit(() =>
    base.guarded(patch(`/v1/keys/${item.id}`, { label: label.trim() }, { headers: { "If-Match": base.tag } })),
  );
  const save = async (/** @type {Event} */ event) => {
    const changed = await form.submit(event);
    if (!changed) return;
    await reload();
    onClose();
  };
  return html`<form class="rename" onSubmit=${save}>
    <${Field} label="Label" error=${form.problem?.message}>
      ${(/** @type {any} */ attributes) => html`<input ...${attributes} ref=${input} dir="auto" value=${label} maxlength=${LONGEST_LABEL} required
        autocomplete="off" onInput=${(/** @type {any} */ event) => setLabel(event.target.value)} />`}
    <//>
    <button type="submit" class="primary" disabled=${form.busy || !label.trim()}>Save</button>
    <button type="button" onClick=${onClose}>Cancel</button>
  </form>`;
}

/** How a check ended, in words. */
const CHECKS = /** @type {Record<string, string>} */ ({
  verified: "accepted by the exchange",
  rejected: "rejected by the exchange",
  unknown: "the exchange gave no verdict",
  unreachable: "the exchange could not be asked",
  skipped: "not checked",
});

/** @param {{ item: Key }} props */
function Facts({ item }) {
  const { permissions, verification } = item;
  const permission = (/** @type {string} */ name, /** @type {string} */ answer, good = "yes") => html`<li>
    ${name}: <strong class=${answer === "unknown" ? "" : answer === good ? "gain" : "loss"}>${answer}</strong></li>`;
  return html`<section class="card" aria-label="The key">
    <h2>Key</h2>
    <dl class="facts">
      <dt>Exchange</dt><dd>${exchangeName(item.exchange)}${item.region && ` (${item.region})`}</dd>
      <dt>Environment</dt><dd>${item.environment === "testnet" ? "Testnet (fake funds)" : "Live"}</dd>
      <dt>API Key</dt><dd><code>${item.masked_key || "awaited"}</code></dd>
      <dt>Permissions</dt><dd><ul class="words">
        ${permission("Read", permissions.read)}${permission("Trade", permissions.trade)}
        ${permission("Withdraw", permissions.withdraw, "no")}
        <li>Restricted to addresses: <strong>${permissions.ip_restricted}</strong></li></ul></dd>
      <dt>Check</dt><dd>${CHECKS[verification.status] ?? verification.status}${verification.checked_at &&
        html`, <span title=${time(verification.checked_at)}>${ago(verification.checked_at)}</span>`}
        ${verification.exchange_code && html` <span class="faint">(code ${verification.exchange_code})</span>`}</dd>
      <dt>Expires</dt><dd>${item.expires_at ? html`${time(item.expires_at)}, ${ago(item.expires_at)}` : "never, or the exchange does not tell"}</dd>
      <dt>Added</dt><dd>${time(item.created_at)}${item.version > 1 && `; credentials replaced ${counted(item.version - 1, "time")}`}</dd>
      ${item.public_key && html`<dt>Public key</dt><dd><${Copy} text=${item.public_key} label="Copy public key" /></dd>`}
    </dl>
  </section>`;
}

/** @param {{ item: Key }} props the bot, and when it took the credentials */
function Use({ item }) {
  const path = `/v1/keys/${item.id}/releases/summary`;
  const summary = useResource(path, (stop) => get(path, {}, stop), (event) =>
    event.key_id === item.id && /^(key|bot|assignment)\.(?!deleted)/.test(event.type));
  const release = item.last_release;
  return html`<section class="card" aria-label="Use of the key">
    <h2>Use</h2>
    <dl class="facts">
      <dt>Bot</dt><dd>${item.bot ? html`<a href="/bots/${item.bot.id}" dir="auto">${item.bot.name}</a>` : html`None. <a href="/bots">Assign it on a bot's page</a>`}</dd>
      <dt>Open positions</dt><dd>${item.open_positions ? html`<a href="/positions?key_id=${item.id}">${item.open_positions}</a>` : "none"}</dd>
      <dt>Last release</dt><dd>${release ? html`<span title=${time(release.at)}>${ago(release.at)}</span> to <code>${release.from}</code>` : "The credentials were never released to a bot."}</dd>
      ${summary.data && html`<dt>Releases</dt><dd>${summary.data.days.some((/** @type {any} */ { count }) => count > 0)
          ? html`<${Sparkline} days=${summary.data.days} noun="release" />`
          : `none in ${summary.data.days.length} days`}</dd>
        ${summary.data.addresses.length > 0 && html`<dt>To addresses</dt><dd><ul class="words">
          ${summary.data.addresses.slice(0, 5).map((/** @type {any} */ one) => html`<li><code>${one.from}</code>
            <span class="faint">${counted(one.count, "release")}, last ${ago(one.last_at)}</span></li>`)}</ul>
          <${Copy} text=${summary.data.addresses.map((/** @type {any} */ one) => one.from).join("\n")} label="Copy addresses" /></dd>`}`}
    </dl>
  </section>`;
}

/** @param {{ item: Key, tag: string, offer: any, reload: () => Promise<void> }} props */
function ContractType({ item, tag, offer, reload }) {
  const [wanted, setWanted] = useState("");
  const bot = useResource(`/v1/bots/${item.bot?.id}`, async (stop) => (item.bot ? get(`/v1/bots/${item.bot.id}`, {}, stop) : null),
    (event) => item.bot !== null && event.bot_id === item.bot.id);
  const online = bot.data?.online ?? false;
  const types = offer?.contract_types ?? [item.contract_type];
  const locked = online || types.length < 2 || !may("keys:write");
  const help = online
    ? html`Locked: it cannot be changed while the bot is online. Stop <a href="/bots/${item.bot?.id}" dir="auto">${item.bot?.name}</a> first.`
    : types.length < 2
      ? `${exchangeName(item.exchange)} offers no other contracts.`
      : "Changing this reloads the available instruments. Each type has trading assets of its own.";
  return html`<section class="card" aria-label="Contract Type">
    <${Field} label="Contract Type" help=${help}>
      ${(/** @type {any} */ attributes) => html`<select ...${attributes} class="short" value=${item.contract_type} disabled=${locked}
        onChange=${(/** @type {any} */ event) => {
          setWanted(event.target.value);
          event.target.value = item.contract_type; // until the service says so
        }}>
        ${types.map((/** @type {string} */ type) => html`<option value=${type}>${CONTRACT_TYPES[type]}</option>`)}
      </select>`}
    <//>
    ${wanted && html`<${SwitchContract} ...${{ item, tag, reload, wanted }} onClose=${() => setWanted("")} />`}
  </section>`;
}

/** @param {{ item: Key, tag: string, reload: () => Promise<void>, wanted: string, onClose: () => void }} props */
function SwitchContract({ item, tag, reload, wanted, onClose }) {
  const base = useBase(tag, reload);
  const change = async () => {
    const headers = { "If-Match": base.tag };
    await base.guarded(patch(`/v1/keys/${item.id}`, { contract_type: wanted }, { headers }));
    await reload();
  };
  return html`<${Confirm} title="Switch to ${CONTRACT_TYPES[wanted]}?" action="Switch" onClose=${onClose} onConfirm=${change}>
    <p>The instruments of the other type are loaded, and P&L and position sizes are calculated for it. The present trading
      assets are kept: they return when you switch back.</p>
  <//>`;
}

/** @param {{ item: Key, offer: any, reload: () => Promise<void> }} props */
function TradingAssets({ item, offer, reload }) {
  const [browsing, setBrowsing] = useState(false);
  const path = `/v1/keys/${item.id}/assets`;
  const list = useListing(path, {}, (event) =>
    event.key_id === item.id && /^(asset|position|key)\.(?!deleted)/.test(event.type),
  );
  const instruments = useResource(`/v1/keys/${item.id}/instruments?limit=1`, (stop) => get(`/v1/keys/${item.id}/instruments`, { limit: 1 }, stop));
  const both = async () => {
    await Promise.all([list.reload(), reload()]);
  };
  const editable = may("keys:write");
  return html`<section class="card" aria-labelledby="assets-title">
    <header class="title">
      <h2 id="assets-title">Trading Assets</h2>
      ${!browsing && html`<${Freshness} keyId=${item.id} page=${instruments.data} onRefreshed=${() => Promise.all([instruments.reload(), list.reload()])} />`}
      ${editable && html`<button type="button" class=${browsing ? "" : "primary"} aria-expanded=${browsing}
        onClick=${() => setBrowsing(!browsing)}>${browsing ? "Close the instruments" : "Add trading assets"}</button>`}
    </header>
    ${list.problem && html`<${Failure} problem=${list.problem} retry=${list.reload} stale=${list.loaded} />`}
    ${!list.loaded && !list.problem && html`<p class="loading" role="status">Reading the trading assets…</p>`}
    ${list.loaded && list.items.length === 0 && html`<p>The key has no trading assets yet. Add at least one: before that, the bot can
      open no positions.</p>`}
    ${list.items.length > 0 && html`<${Assets} keyId=${item.id} assets=${list.items} offer=${offer} editable=${editable} reload=${both} />`}
    ${!list.complete && list.loaded && html`<button type="button" onClick=${list.more}>Show more</button>`}
    ${browsing && html`<h3>Available instruments</h3>
      <p class="help">New assets are enabled, with cross margin where the symbol supports it${offer?.leverage_margin_modes.length ? ", and with a leverage of 1×" : ""}.</p>
      <${Instruments} keyId=${item.id} offer=${offer} onAdded=${both} />`}
  </section>`;
}

/** @param {{ item: Key }} props the freeze of this key */
function Frozen({ item }) {
  const [asking, setAsking] = useState(false);
  const [reason, setReason] = useState("");
  const freezes = useResource("/v1/freezes", async (stop) => (await get("/v1/freezes", { limit: 200 }, stop)).items, (event) => event.type.startsWith("freeze."));
  const held = (freezes.data ?? []).find((/** @type {Freeze} */ one) => one.key_id === item.id);
  const close = () => setAsking(false);
  return html`<section class="card">
    <h2>Freeze</h2>
    <p>${held
      ? html`This key is frozen since ${time(held.created_at)}${held.reason && html`: <span dir="auto">${held.reason}</span>`}.`
      : "A freeze of this key stops new positions at once."} ${EFFECT}</p>
    ${held
      ? may("account:admin") && html`<button type="button" onClick=${() => setAsking(true)}>Lift the freeze</button>`
      : html`<button type="button" onClick=${() => setAsking(true)}>Freeze this key</button>`}
    ${asking && held && html`<${LiftFreeze} freeze=${held} what=${html`<strong dir="auto">${item.label}</strong>`} onClose=${() => {
      close();
      void freezes.reload();
    }} />`}
    ${asking && !held && html`<${Confirm} title="Freeze this key?" action="Freeze this key" danger onClose=${close}
      onConfirm=${async () => {
        await freeze({ scope: "key", key_id: item.id, reason: reason.trim() || null });
        done("The key is frozen.");
        await freezes.reload();
      }}>
      <p>This stops new positions with <strong dir="auto">${item.label}</strong> at once. ${EFFECT}</p>
      <${Reason} value=${reason} onChange=${setReason} /><//>`}
  </section>`;
}

/** @file The Audit log: who did what, when, from where, and how it ended. */

import { html, useState } from "../kit/html.js";
import { useDirectory } from "../kit/directory.js";
import { counted, time } from "../kit/format.js";
import { useListing } from "../kit/listing.js";
import { periodOf } from "../kit/period.js";
import { useRefresh } from "../kit/refresh.js";
import { route, setQuery } from "../kit/router.js";
import { session, timeZone } from "../kit/session.js";
import { EnvironmentBadge } from "../parts/badges.js";
import { BotFilter, Choice, ClearFilters, clearFilters, isFiltered, KeyFilter, PeriodFilter, TextFilter, ZoneNote } from "../parts/data_filters.js";
import { FactsDialog, When } from "../parts/facts.js";
import { BotName, KeyName } from "../parts/origin.js";
import { Empty, Failure } from "../parts/states.js";
import { Table } from "../parts/table.js";

/** @typedef {import("../../types/api").AuditEvent} AuditEvent */
/** @typedef {import("../kit/directory.js").Directory} Directory */

/** What each action is called here: as something that was done, and that is refused. */
const ACTIONS = /** @type {Record<string, string>} */ ({
  "account.change": "Change account settings",
  "account.close": "Close the account",
  "asset.add": "Add a trading asset",
  "asset.change": "Change a trading asset",
  "asset.remove": "Remove a trading asset",
  "bot.add": "Add a bot",
  "bot.assign_key": "Assign a key to a bot",
  "bot.change": "Change a bot",
  "bot.delete": "Delete a bot",
  "bot.mint_token": "Create a bot token",
  "bot.unassign_key": "Take a key from a bot",
  "data.delete": "Delete trading data",
  "data.import": "Import trades",
  "freeze.add": "Freeze",
  "freeze.lift": "Lift a freeze",
  "key.add": "Add an API key",
  "key.add_pair": "Make a key pair",
  "key.change": "Change an API key",
  "key.complete_pair": "Complete a key pair",
  "key.delete": "Delete an API key",
  "key.release": "Release credentials to a bot",
  "key.replace_credentials": "Replace credentials",
  "operation.cancel": "Cancel an operation",
  "position.close": "Mark a position as closed",
  "session.begin": "Sign in",
  "session.end": "Sign out",
});

/** @param {string} action also one that this page does not know yet */
const actionName = (action) => ACTIONS[action] ?? action.replaceAll(/[._]/g, " ");

/** @param {{ event: AuditEvent, directory: Directory }} props */
function Actor({ event, directory }) {
  if (event.actor === "bot") return html`<${BotName} bot=${{ id: event.actor_id, name: null }} directory=${directory} />`;
  if (event.actor === "user" && event.actor_id === session.value?.subject) {
    return html`<span title=${event.actor_id}>You</span>`;
  }
  return html`<span title=${event.actor_id}>${event.actor === "service" ? "Service " : ""}<bdi>${event.actor_id}</bdi></span>`;
}

/** @param {{ event: AuditEvent, directory: Directory }} props */
function Target({ event, directory }) {
  const { target, target_id: id, details } = event;
  const label = [details.label, details.name, details.symbol].find((one) => typeof one === "string") ?? null;
  if (target === "key" && id) return html`<${KeyName} source=${{ id, label }} directory=${directory} />`;
  if (target === "bot" && id) return html`<${BotName} bot=${{ id, name: label }} directory=${directory} />`;
  if (!target) return html`<span class="faint">–</span>`;
  // Others have no page of their own; the id of an asset is its symbol.
  const text = target === "account" ? "account" : target === "asset" ? id : `${target.replaceAll("_", " ")} ${label ?? id?.slice(0, 8) ?? ""}`;
  return html`<bdi title=${id ?? ""}>${text}</bdi>`;
}

/** @param {{ event: AuditEvent }} props */
function Outcome({ event }) {
  if (event.outcome === "allowed") return html`<span class="badge good">done</span>`;
  const times = typeof event.details.count === "number" ? ` ${event.details.count.toLocaleString("en")} times` : "";
  return html`<span class="stack">
    <span><span class="badge bad">refused</span>${times}</span>
    <span class="faint" title=${event.code ?? ""}>${(event.code ?? "").replaceAll("_", " ")}</span>
  </span>`;
}

/**
 * @param {Directory} directory
 * @param {(event: AuditEvent) => void} open
 * @returns {import("../parts/table.js").Column<AuditEvent>[]}
 */
const columnsOf = (directory, open) => [
  {
    name: "at",
    title: "When",
    rank: 2,
    width: "104px",
    cell: (event) => html`<${When} at=${event.at} />`,
  },
  {
    name: "action",
    title: "What",
    rank: 1,
    width: "minmax(0, 1.5fr)",
    cell: (event) => html`<button type="button" class="link" onClick=${() => open(event)}>${actionName(event.action)}</button>`,
  },
  {
    name: "target",
    title: "On",
    rank: 2,
    width: "minmax(0, 1.5fr)",
    cell: (event) => html`<span class="line"><${Target} event=${event} directory=${directory} />
      <${EnvironmentBadge} environment=${event.environment} /></span>`,
  },
  { name: "actor", title: "Who", rank: 2, cell: (event) => html`<${Actor} event=${event} directory=${directory} />` },
  { name: "address", title: "From", width: "120px", cell: (event) => html`<code title=${event.address ?? ""}>${event.address ?? "–"}</code>` },
  { name: "outcome", title: "Outcome", rank: 1, width: "150px", cell: (event) => html`<${Outcome} event=${event} />` },
];

export function View() {
  const { query } = route.value;
  const directory = useDirectory();
  const [shown, setShown] = useState(/** @type {AuditEvent | null} */ (null));
  const period = periodOf(query, timeZone.value, "all");
  const wanted = {
    type: query.type,
    key_id: query.key_id,
    bot_id: query.bot_id,
    actor: query.actor,
    from: period.from,
    to: period.to,
  };
  const list = useListing("/v1/audit-events", wanted, () => true);
  useRefresh(list.reload);
  const items = /** @type {AuditEvent[]} */ (list.items);
  const types = Object.entries(ACTIONS).sort(([, one], [, other]) => one.localeCompare(other));
  return html`
    <header class="title"><h1>Audit log</h1></header>
    <div class="filters" role="group" aria-label="Filters">
      <${Choice} label="What" value=${query.type ?? ""} options=${[["", "Everything"], ...types]}
        onChange=${(/** @type {string} */ value) => setQuery({ type: value })} />
      <${KeyFilter} directory=${directory} />
      <${BotFilter} directory=${directory} />
      <${TextFilter} label="Who" name="actor" placeholder=${session.value?.subject ?? ""} />
      <${PeriodFilter} period=${period} usual="all" />
      <${ClearFilters} />
    </div>
    <${ZoneNote} />
    ${list.problem && html`<${Failure} problem=${list.problem} retry=${list.reload} stale=${list.loaded} />`}
    ${!list.loaded && !list.problem && html`<p class="loading" role="status">Reading the audit log…</p>`}
    ${list.loaded && items.length === 0 && html`<${NoEntries} />`}
    ${items.length > 0 &&
    html`<${Table} label="Audit log" columns=${columnsOf(directory, setShown)} items=${items}
      keyOf=${(/** @type {AuditEvent} */ event) => event.id} more=${list.more} complete=${list.complete} />`}
    <p class="help">Every change, refusal and release of credentials of this account, of both environments. Entries are numbered and chained: who
      runs this service can prove that none was altered or removed with <code>botkeys audit verify</code>.</p>
    ${shown && html`<${EntryDialog} event=${shown} directory=${directory} onClose=${() => setShown(null)} />`}
  `;
}

function NoEntries() {
  if (isFiltered()) {
    return html`<${Empty} title="No entry matches these filters">
      <p><button type="button" onClick=${clearFilters}>Clear filters</button></p>
    <//>`;
  }
  return html`<${Empty} title="Nothing has happened yet"><p>The first entry appears when you <a href="/keys">add an API key</a> or a bot.</p><//>`;
}

/** @param {unknown} value */
function detail(value) {
  if (typeof value === "string") return html`<bdi>${value}</bdi>`;
  return html`<code>${JSON.stringify(value)}</code>`;
}

/** @param {{ event: AuditEvent, directory: Directory, onClose: () => void }} props */
function EntryDialog({ event, directory, onClose }) {
  const { count, first_at: first, last_at: last, addresses, ...details } = event.details;
  const facts = /** @type {import("../parts/facts.js").Fact[]} */ ([
    ["When", time(event.at)],
    ["Outcome", html`<${Outcome} event=${event} />`],
    ["Refused", typeof count === "number" ? `${counted(count, "time")} from ${time(String(first))} to ${time(String(last))}` : null],
    ["Who", html`<${Actor} event=${event} directory=${directory} /> <span class="faint">(${event.actor} <bdi>${event.actor_id}</bdi>)</span>`],
    ["From", Array.isArray(addresses) && addresses.length ? addresses.join(", ") : event.address],
    ["On", event.target && html`<${Target} event=${event} directory=${directory} />`],
    ["Id", event.target_id && html`<code>${event.target_id}</code>`],
    ["Environment", event.environment],
    ...Object.entries(details)
      .filter(([, value]) => value !== null)
      .map(([name, value]) => [name.replaceAll("_", " ").replace(/^./, (first) => first.toUpperCase()), detail(value)]),
    ["Entry", `number ${event.sequence.toLocaleString("en")} of this account's log (${event.action})`],
    ["Request", html`<code>${event.request_id}</code>`],
  ]);
  return html`<${FactsDialog} title=${actionName(event.action)} facts=${facts} onClose=${onClose} />`;
}

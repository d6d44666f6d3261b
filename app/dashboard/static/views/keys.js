/**
 * @file The API Keys page: all keys of the account.
 *
 * It shows both environments at once, each testnet key with its badge: the switch of the sidebar
 * chooses trading data, and a key that cannot be seen cannot be put right.
 */

import { html, useEffect, useState } from "../kit/html.js";
import { CONTRACT_TYPES, exchangeName, useExchanges } from "../kit/exchanges.js";
import { ago, time } from "../kit/format.js";
import { useListing } from "../kit/listing.js";
import { route, setQuery } from "../kit/router.js";
import { may } from "../kit/session.js";
import { EnvironmentBadge, StateBadge } from "../parts/badges.js";
import { Empty, Failure } from "../parts/states.js";
import { Table } from "../parts/table.js";
import { Activation } from "./keys/activation.js";
import { AddKey } from "./keys/add.js";

/** @typedef {import("../../types/api").Key} Key */

/** Milliseconds without a keystroke after which a search begins. */
const TYPED_MILLISECONDS = 250;

/**
 * @param {() => unknown} changed
 * @returns {import("../parts/table.js").Column<Key>[]}
 */
const columns = (changed) => [
  {
    name: "label",
    title: "Label",
    rank: 1,
    width: "minmax(150px, 1.9fr)",
    sort: "label",
    cell: (key) => html`<span class="named"><a href="/keys/${key.id}" dir="auto" title=${key.label}>${key.label}</a>
      <${EnvironmentBadge} environment=${key.environment} /></span>`,
  },
  {
    name: "exchange",
    title: "Exchange",
    rank: 2,
    width: "84px",
    sort: "exchange",
    cell: (key) => exchangeName(key.exchange),
  },
  { name: "market", title: "Market type", width: "92px", cell: (key) => (CONTRACT_TYPES[key.contract_type] ?? "").split(" ")[0] },
  { name: "key", title: "Key", width: "96px", cell: (key) => html`<code>${key.masked_key || "awaited"}</code>` },
  {
    name: "state",
    title: "State",
    rank: 2,
    width: "minmax(84px, 1.7fr)",
    // What is well needs no sentence beside it.
    cell: ({ state }) => html`<${StateBadge} state=${state} />
      ${state.word !== "active" && html`<span class="why" title=${state.sentence}>${state.sentence}</span>`}`,
  },
  {
    name: "bot",
    title: "Bot",
    rank: 2,
    width: "minmax(0, 1.8fr)",
    cell: (key) => (key.bot ? html`<a href="/bots/${key.bot.id}" dir="auto">${key.bot.name}</a>` : html`<span class="faint">no bot</span>`),
  },
  {
    name: "assets",
    title: "Assets",
    end: true,
    width: "64px",
    cell: ({ assets }) => html`<span title="${assets.enabled} of ${assets.total} enabled">${assets.enabled}/${assets.total}</span>`,
  },
  { name: "positions", title: "Open", end: true, width: "56px", cell: (key) => key.open_positions },
  {
    name: "expires",
    title: "Expires",
    sort: "expires_at",
    width: "minmax(64px, 0.6fr)",
    cell: (key) =>
      key.expires_at ? html`<span title=${time(key.expires_at)}>${ago(key.expires_at)}</span>` : html`<span class="faint">–</span>`,
  },
  {
    name: "active",
    title: "Active",
    rank: 1,
    width: "56px",
    cell: (key) => html`<${Activation} item=${key} hideLabel onChanged=${changed} />`,
  },
];

/** What the service's list takes as filters. */
const FILTERS = ["search", "exchange", "environment", "active", "assigned"];

export function View() {
  const { query } = route.value;
  const exchanges = useExchanges();
  const filters = Object.fromEntries(FILTERS.map((name) => [name, query[name]]));
  const filtered = Object.values(filters).some(Boolean);
  const list = useListing("/v1/keys", { ...filters, sort: query.sort }, (event) =>
    /^(key|assignment|asset|freeze|position|bot)\./.test(event.type),
  );
  const adding = query.add !== undefined;
  const add = () => setQuery({ add: "key" });
  return html`
    <header class="title">
      <h1>API keys</h1>
      ${may("keys:write") && html`<button type="button" class="primary" onClick=${add}>Add API Key</button>`}
    </header>
    <p class="lead">Securely manage your exchange API keys for automated trading.</p>
    ${list.problem && html`<${Failure} problem=${list.problem} retry=${list.reload} stale=${list.loaded} />`}
    ${(filtered || list.items.length > 0) && html`<${Filters} query=${query} exchanges=${exchanges.data?.items ?? []} />`}
    ${!list.loaded && !list.problem && html`<p class="loading" role="status">Reading the keys…</p>`}
    ${list.loaded && list.items.length === 0 && (filtered
      ? html`<${Empty} title="No key matches"><p>No API key has all of what the filters ask for.</p>
          <button type="button" onClick=${() => setQuery(Object.fromEntries(FILTERS.map((name) => [name, null])))}>Show all keys</button><//>`
      : html`<${Empty} title="No API keys yet">
          <p>Create an API key at your exchange with permission to trade and never to withdraw, and add it here.</p>
          <p>Then choose its trading assets, and assign it to a bot.</p>
          ${may("keys:write") && html`<button type="button" class="primary" onClick=${add}>Add your first API key</button>`}<//>`)}
    ${list.items.length > 0 && html`<${Table} label="API keys" columns=${columns(list.reload)} items=${list.items}
      keyOf=${(/** @type {Key} */ key) => key.id} more=${list.more} complete=${list.complete}
      sort=${query.sort ?? ""} onSort=${(/** @type {string} */ sort) => setQuery({ sort })} />`}
    ${adding && may("keys:write") && html`<${AddKey} onClose=${() => setQuery({ add: null })} />`}
  `;
}

/** @param {{ query: Record<string, string>, exchanges: import("../../types/api").ExchangeOffer[] }} props */
function Filters({ query, exchanges }) {
  const [search, setSearch] = useState(query.search ?? "");
  useEffect(() => {
    if (search === (query.search ?? "")) return;
    const timer = setTimeout(() => setQuery({ search }), TYPED_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [search]);
  useEffect(() => {
    if (!query.search) setSearch("");
  }, [query.search]);
  const choice = (/** @type {string} */ name, /** @type {string} */ label, /** @type {string[][]} */ options) => html`<select
    aria-label=${label} value=${query[name] ?? ""} onChange=${(/** @type {any} */ event) => setQuery({ [name]: event.target.value })}>
    ${options.map(([value, text]) => html`<option value=${value}>${text}</option>`)}
  </select>`;
  return html`<div class="filters" role="search" aria-label="API keys">
    <input type="search" aria-label="Search label, exchange or key" placeholder="Search label, exchange or key"
      maxlength="100" value=${search} onInput=${(/** @type {any} */ event) => setSearch(event.target.value)} />
    ${choice("exchange", "Filter by exchange", [["", "All exchanges"], ...exchanges.map((one) => [one.exchange, one.name])])}
    ${choice("environment", "Filter by environment", [["", "Live and testnet"], ["live", "Live"], ["testnet", "Testnet"]])}
    ${choice("active", "Filter by activity", [["", "Active and inactive"], ["true", "Active"], ["false", "Inactive"]])}
    ${choice("assigned", "Filter by assignment", [["", "With and without a bot"], ["true", "Assigned to a bot"], ["false", "Not assigned"]])}
  </div>`;
}

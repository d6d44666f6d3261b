/** @file The API Keys page: all keys of the account. */

import { html } from "../kit/html.js";
import { useListing } from "../kit/listing.js";
import { route, setQuery } from "../kit/router.js";
import { EnvironmentBadge } from "../parts/badges.js";
import { Empty, Failure } from "../parts/states.js";
import { Table } from "../parts/table.js";

/** @typedef {import("../../types/api").Key} Key */

/** @type {import("../parts/table.js").Column<Key>[]} */
const COLUMNS = [
  {
    name: "label",
    title: "Label",
    rank: 1,
    sort: "label",
    cell: (key) => html`<a href="/keys/${key.id}" dir="auto">${key.label}</a> <${EnvironmentBadge} environment=${key.environment} />`,
  },
  { name: "exchange", title: "Exchange", rank: 2, sort: "exchange", cell: (key) => key.exchange },
  { name: "market", title: "Market type", cell: (key) => key.contract_type },
  { name: "key", title: "Key", cell: (key) => html`<code>${key.masked_key}</code>` },
  { name: "active", title: "Active", rank: 1, cell: (key) => (key.active ? "Active" : "Inactive") },
  {
    name: "bot",
    title: "Bot",
    rank: 2,
    cell: (key) => (key.bot ? html`<a href="/bots/${key.bot.id}" dir="auto">${key.bot.name}</a>` : "–"),
  },
];

export function View() {
  const { query } = route.value;
  const list = useListing(
    "/v1/keys",
    { search: query.search },
    (event) => /^(key|assignment|asset|freeze)\./.test(event.type),
  );
  return html`
    <header class="title">
      <h1>API keys</h1>
    </header>
    ${list.problem && html`<${Failure} problem=${list.problem} retry=${list.reload} stale=${list.loaded} />`}
    ${list.loaded && list.items.length === 0
      ? html`<${Empty} title="No API keys yet"><p>Add the API key of an exchange, then give it to a bot.</p><//>`
      : html`<${Table} label="API keys" columns=${COLUMNS} items=${list.items} keyOf=${(/** @type {Key} */ key) => key.id}
          more=${list.more} complete=${list.complete} sort=${query.sort ?? ""} onSort=${(/** @type {string} */ sort) => setQuery({ sort })} />`}
  `;
}

/** @file The Positions page: open ones first, then those that were closed. */

import { html, useState } from "../kit/html.js";
import { address, part, post } from "../kit/api.js";
import { useDirectory } from "../kit/directory.js";
import { ago, decimal, now, time } from "../kit/format.js";
import { useListing } from "../kit/listing.js";
import { periodOf } from "../kit/period.js";
import { route } from "../kit/router.js";
import { environment, may, timeZone } from "../kit/session.js";
import { Amount } from "../parts/amount.js";
import { EnvironmentBadge } from "../parts/badges.js";
import { BotFilter, ClearFilters, clearFilters, isFiltered, KeyFilter, PeriodFilter, SymbolFilter, ZoneNote } from "../parts/data_filters.js";
import { Confirm } from "../parts/dialog.js";
import { Export } from "../parts/export.js";
import { FactsDialog, When } from "../parts/facts.js";
import { done } from "../parts/notice.js";
import { BotName, Instrument, KeyName, Origin } from "../parts/origin.js";
import { Empty, Failure } from "../parts/states.js";
import { Table } from "../parts/table.js";

/** @typedef {import("../../types/api").Position} Position */
/** @typedef {import("../kit/directory.js").Directory} Directory */
/** @typedef {import("../parts/table.js").Column<Position>} Column */

const keyOf = (/** @type {Position} */ position) => `${position.bot.id} ${position.id}`;
const changes = (/** @type {import("../kit/live.js").AccountEvent} */ event) =>
  /^(position|opening|operation|key\.deleted)/.test(event.type);

const REASONS = /** @type {Record<string, [string, string]>} */ ({
  reported: ["by its bot", "The bot reported it as closed."],
  by_hand: ["by hand", "It was marked as closed on this page or by the API; no order was sent to the exchange."],
  lapsed: ["never opened", "The bot asked for permission to open it and never reported it as open."],
});

/** @param {{ position: Position }} props */
function Status({ position }) {
  if (position.status === "open") return html`<span class="badge good">open</span>`;
  if (position.status === "opening") {
    return html`<span class="badge warning" title=${position.expires_at ? `Reserved until ${time(position.expires_at)}` : ""}>being opened</span>`;
  }
  const [text, sentence] = REASONS[position.close_reason ?? ""] ?? ["", ""];
  return html`<span class="stack" title=${sentence}><span class="badge">closed</span><span class="faint">${text}</span></span>`;
}

/** @param {Position} position */
const margin = (position) =>
  [position.leverage && `${decimal(position.leverage)}×`, position.margin_mode].filter(Boolean).join(" ") || "–";

/**
 * @param {Directory} directory
 * @param {(position: Position) => void} open
 * @returns {Column[]}
 */
const commonColumns = (directory, open) => [
  {
    name: "symbol",
    title: "Symbol",
    rank: 1,
    width: "minmax(0, 1.6fr)",
    cell: (position) => html`<${Instrument} row=${position} onOpen=${() => open(position)} />`,
  },
  { name: "status", title: "Status", rank: 1, width: "112px", cell: (position) => html`<${Status} position=${position} />` },
  { name: "quantity", title: "Quantity", rank: 2, end: true, cell: (position) => html`<${Amount} value=${position.quantity} />` },
  { name: "entry", title: "Entry", end: true, cell: (position) => html`<${Amount} value=${position.entry_price} />` },
  { name: "margin", title: "Margin", rank: 2, cell: margin },
  { name: "origin", title: "Key, bot", rank: 2, width: "minmax(0, 1.3fr)", cell: (position) => html`<${Origin} row=${position} directory=${directory} />` },
];

/**
 * @param {Directory} directory
 * @param {(position: Position) => void} open
 * @param {(position: Position) => void} close
 * @returns {Column[]}
 */
const openColumns = (directory, open, close) => [
  ...commonColumns(directory, open),
  {
    name: "opened",
    title: "Opened",
    width: "120px",
    cell: (position) => {
      const at = position.opened_at ?? position.created_at;
      return html`<time datetime=${at} title=${time(at)}>${ago(at, now.value)}</time>`;
    },
  },
  {
    name: "close",
    title: "",
    width: "128px",
    end: true,
    cell: (position) =>
      may("bots:write") &&
      html`<button type="button" class="small" aria-label="Mark as closed: ${position.symbol}" onClick=${() => close(position)}>Mark as closed</button>`,
  },
];

/**
 * @param {Directory} directory
 * @param {(position: Position) => void} open
 * @returns {Column[]}
 */
const closedColumns = (directory, open) => {
  const columns = commonColumns(directory, open);
  columns.splice(4, 0, { name: "exit", title: "Exit", end: true, cell: (position) => html`<${Amount} value=${position.exit_price} />` });
  columns.push({
    name: "closed",
    title: "Closed",
    width: "104px",
    cell: (position) => position.closed_at && html`<${When} at=${position.closed_at} />`,
  });
  return columns;
};

export function View() {
  const { query } = route.value;
  const directory = useDirectory();
  const [shown, setShown] = useState(/** @type {Position | null} */ (null));
  const [closing, setClosing] = useState(/** @type {Position | null} */ (null));
  const period = periodOf(query, timeZone.value, "all");
  const wanted = {
    environment: environment.value,
    key_id: query.key_id,
    bot_id: query.bot_id,
    symbol: query.symbol,
    from: period.from,
    to: period.to,
  };
  const opening = useListing("/v1/positions", { ...wanted, status: "opening" }, changes);
  const open = useListing("/v1/positions", { ...wanted, status: "open" }, changes);
  const closed = useListing("/v1/positions", { ...wanted, status: "closed" }, changes);
  const lists = [opening, open, closed];
  const held = /** @type {Position[]} */ ([...opening.items, ...open.items]);
  const ended = /** @type {Position[]} */ (closed.items);
  const loaded = lists.every((list) => list.loaded);
  const problem = lists.map((list) => list.problem).find(Boolean);
  const reload = () => lists.forEach((list) => void list.reload());
  const nothing = loaded && held.length + ended.length === 0;
  return html`
    <header class="title">
      <h1>Positions</h1>
      <${Export} path="/v1/positions" query=${wanted} name="positions-${environment.value}" disabled=${nothing} />
    </header>
    <div class="filters" role="group" aria-label="Filters">
      <${KeyFilter} directory=${directory} environment=${environment.value} />
      <${BotFilter} directory=${directory} />
      <${SymbolFilter} />
      <${PeriodFilter} period=${period} usual="all" />
      <${ClearFilters} />
    </div>
    <${ZoneNote} />
    ${problem && html`<${Failure} problem=${problem} retry=${reload} stale=${loaded} />`}
    ${!loaded && !problem && html`<p class="loading" role="status">Reading positions…</p>`}
    ${nothing && html`<${NoPositions} />`}
    ${loaded && !nothing &&
    html`<section aria-labelledby="held">
        <h2 id="held" class="section">Open now</h2>
        ${held.length > 0
          ? html`<${Table} label="Open positions" columns=${openColumns(directory, setShown, setClosing)} items=${held} keyOf=${keyOf}
              more=${opening.complete ? open.more : opening.more} complete=${opening.complete && open.complete} />`
          : html`<p class="nothing">No position is open.</p>`}
      </section>
      <section aria-labelledby="ended">
        <h2 id="ended" class="section">Closed</h2>
        ${ended.length > 0
          ? html`<${Table} label="Closed positions" columns=${closedColumns(directory, setShown)} items=${ended} keyOf=${keyOf}
              more=${closed.more} complete=${closed.complete} />`
          : html`<p class="nothing">No position was closed.</p>`}
      </section>`}
    ${shown && html`<${PositionDialog} position=${shown} directory=${directory} onClose=${() => setShown(null)}
      onMark=${() => { setShown(null); setClosing(shown); }} />`}
    ${closing && html`<${CloseDialog} position=${closing} directory=${directory} onClose=${() => setClosing(null)} onDone=${reload} />`}
  `;
}

function NoPositions() {
  if (isFiltered()) {
    return html`<${Empty} title="No position matches these filters">
      <p><button type="button" onClick=${clearFilters}>Clear filters</button></p>
    <//>`;
  }
  return html`<${Empty} title="No ${environment.value} positions yet">
    <p>Assign an API key to a <a href="/bots">bot</a> and run it: its positions appear here when it asks to open them.</p>
  <//>`;
}

/** @param {{ position: Position, directory: Directory, onClose: () => void, onDone: () => void }} props */
function CloseDialog({ position, directory, onClose, onDone }) {
  const bot = directory.bots.get(position.bot.id);
  const confirm = async () => {
    await post(address(`/v1/positions/${part(position.id)}/close`, { bot_id: position.bot.id }));
    done(`${position.symbol} is marked as closed.`);
    onDone();
  };
  return html`<${Confirm} title="Mark ${position.symbol} as closed?" action="Mark as closed" danger=${true} onConfirm=${confirm} onClose=${onClose}>
    <p>This is for a position whose bot no longer runs. It only changes what Botkeys knows: <strong>no order is sent to the exchange</strong>.
      If the position is still open at ${position.exchange}, close it there yourself.</p>
    <p>Afterwards the bot's key can be changed and the margin mode of the symbol too. If the bot does run and reports
      the position as open, it is open again here.</p>
    ${bot?.online && html`<p class="problem">The bot <bdi>${bot.name}</bdi> is online: it will report the position again if it still holds it.</p>`}
  <//>`;
}

/** @param {{ position: Position, directory: Directory, onClose: () => void, onMark: () => void }} props */
function PositionDialog({ position, directory, onClose, onMark }) {
  const [, reason = ""] = REASONS[position.close_reason ?? ""] ?? [];
  const facts = /** @type {import("../parts/facts.js").Fact[]} */ ([
    ["Environment", position.environment === "testnet" ? html`<${EnvironmentBadge} environment="testnet" />` : "Live"],
    ["Exchange", position.exchange],
    ["Status", html`<${Status} position=${position} />`],
    ["Why closed", reason],
    ["Side", position.side],
    ["Quantity", decimal(position.quantity)],
    ["Entry price", position.entry_price && decimal(position.entry_price)],
    ["Exit price", position.exit_price && decimal(position.exit_price)],
    ["Fees", position.fees && decimal(position.fees)],
    ["Leverage", position.leverage && `${decimal(position.leverage)}×`],
    ["Margin mode", position.margin_mode],
    ["Contract type", position.contract_type],
    ["First report", time(position.created_at)],
    ["Opened", position.opened_at && time(position.opened_at)],
    ["Reserved until", position.expires_at && time(position.expires_at)],
    ["Closed", position.closed_at && time(position.closed_at)],
    ["Last report", time(position.updated_at)],
    ["Key", html`<${KeyName} source=${position.key} directory=${directory} />`],
    ["Bot", html`<${BotName} bot=${position.bot} directory=${directory} />`],
    ["Position", html`<code>${position.id}</code>`],
    ["Revision", position.revision],
  ]);
  return html`<${FactsDialog} title="Position in ${position.symbol}" facts=${facts} onClose=${onClose}>
    ${position.status !== "closed" && may("bots:write") && html`<footer><button type="button" onClick=${onMark}>Mark as closed</button></footer>`}
  <//>`;
}

/** @file The positions that a bot holds, and closing one by hand whose bot no longer runs. */

import { everyItem, part, post } from "../../kit/api.js";
import { ago, decimal, time } from "../../kit/format.js";
import { html, useState } from "../../kit/html.js";
import { useReloadOn, useResource } from "../../kit/resource.js";
import { may } from "../../kit/session.js";
import { EnvironmentBadge } from "../../parts/badges.js";
import { Confirm } from "../../parts/dialog.js";
import { done } from "../../parts/notice.js";
import { Loaded } from "../../parts/states.js";
import { Table } from "../../parts/table.js";

/** @typedef {import("../../../types/api").Position} Position */

const STATUSES = ["opening", "open"];

/**
 * Reads what the bot holds. A list is of one environment: without a key, both are read.
 *
 * @param {import("../../../types/api").Bot} bot
 * @param {AbortSignal} stop
 */
async function read(bot, stop) {
  /** @type {Position[]} */
  const items = [];
  for (const environment of bot.key ? [bot.key.environment] : ["live", "testnet"]) {
    for (const status of STATUSES) {
      const query = { bot_id: bot.id, environment, status, limit: 200 };
      for await (const item of everyItem("/v1/positions", query, stop)) items.push(item);
    }
  }
  return items;
}

/** @param {import("../bot.js").OfBot} props */
export function OpenPositions({ bot, reload }) {
  const [closing, setClosing] = useState(/** @type {Position | null} */ (null));
  const resource = useResource(
    `positions of ${bot.id} ${bot.key?.environment}`,
    (stop) => read(bot, stop),
    (event) => event.bot_id === bot.id && event.type.startsWith("position."),
  );
  useReloadOn(bot.open_positions, resource.reload);
  const close = async () => {
    if (!closing) return;
    await post(`/v1/positions/${part(closing.id)}/close?bot_id=${bot.id}`);
    await reload();
    done("The position is marked as closed.");
  };
  return html`<section class="card" aria-labelledby="positions">
    <h2 id="positions">Open positions</h2>
    <${Loaded} resource=${resource} what="the positions">
      ${(/** @type {Position[]} */ items) =>
        items.length
          ? html`<${Table} label="Open positions" columns=${columns(setClosing)} items=${items} keyOf=${(/** @type {Position} */ one) => one.id} />`
          : html`<p class="faint">The bot holds no position.</p>`}
    <//>
    ${closing && html`<${Confirm} title="Close by hand" action="Mark as closed" danger onConfirm=${close} onClose=${() => setClosing(null)}>
      <p>This marks the ${closing.side} position on <strong>${closing.symbol}</strong> as closed in Botkeys.
      <strong>No order is sent to the exchange.</strong></p>
      <p>Use it if the bot no longer runs and you closed the position at the exchange yourself. If the bot does run
      and reports the position as open, it is open again.</p>
    <//>`}
  </section>`;
}

/**
 * @param {(position: Position) => void} close
 * @returns {import("../../parts/table.js").Column<Position>[]}
 */
const columns = (close) => [
  {
    name: "symbol",
    title: "Symbol",
    rank: 1,
    cell: (one) => html`${one.symbol} <${EnvironmentBadge} environment=${one.environment} />`,
  },
  { name: "side", title: "Side", rank: 2, width: "80px", cell: (one) => one.side },
  {
    name: "status",
    title: "Status",
    width: "90px",
    cell: (one) => (one.status === "opening" ? html`<span class="badge">opening</span>` : one.status),
  },
  { name: "quantity", title: "Quantity", rank: 2, end: true, cell: (one) => decimal(one.quantity) },
  { name: "entry", title: "Entry price", end: true, cell: (one) => decimal(one.entry_price) },
  {
    name: "opened",
    title: "Opened",
    cell: (one) => (one.opened_at ? html`<time datetime=${one.opened_at} title=${time(one.opened_at)}>${ago(one.opened_at)}</time>` : "–"),
  },
  {
    name: "close",
    title: "Actions",
    rank: 1,
    width: "130px",
    cell: (one) => may("bots:write") && html`<button type="button" class="small"
      aria-label="Close ${one.symbol} by hand" onClick=${() => close(one)}>Close by hand</button>`,
  },
];

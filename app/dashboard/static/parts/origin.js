/** @file Which key and which bot a row of trading data belongs to. */

import { html } from "../kit/html.js";
import { EnvironmentBadge } from "./badges.js";

/** @typedef {import("../kit/directory.js").Directory} Directory */

/**
 * The key, as a link while it exists.
 *
 * @param {{ source: { id: string, label: string | null }, directory: Directory }} props
 */
export function KeyName({ source, directory }) {
  const known = directory.keys.get(source.id);
  const label = known?.label ?? source.label ?? `Key ${source.id.slice(0, 8)}`;
  if (!known || known.deleted) return html`<span title="${label} (deleted)"><bdi>${label}</bdi></span>`;
  return html`<a href="/keys/${source.id}" title=${label}><bdi>${label}</bdi></a>`;
}

/**
 * The bot, as a link while it exists; rows that were imported may have none.
 *
 * @param {{ bot: { id: string, name: string | null } | null, directory: Directory }} props
 */
export function BotName({ bot, directory }) {
  if (bot === null) return html`<span>No bot</span>`;
  const name = directory.bots.get(bot.id)?.name ?? bot.name;
  if (name === null) return html`<span title="Bot ${bot.id} was deleted">Deleted bot</span>`;
  return html`<a href="/bots/${bot.id}" title=${name}><bdi>${name}</bdi></a>`;
}

/**
 * Key and bot in two lines.
 *
 * @param {{ row: { key: { id: string, label: string }, bot: { id: string, name: string | null } | null }, directory: Directory }} props
 */
export const Origin = ({ row, directory }) => html`<span class="stack">
  <span><${KeyName} source=${row.key} directory=${directory} /></span>
  <span class="faint"><${BotName} bot=${row.bot} directory=${directory} /></span>
</span>`;

/**
 * The symbol with its side, and a badge if it is of the testnet.
 *
 * @param {{ row: { symbol: string, side: string | null, environment: string }, onOpen: () => void }} props
 */
export const Instrument = ({ row, onOpen }) => html`<span class="stack">
  <span class="line"><button type="button" class="link" title="All about ${row.symbol}" onClick=${onOpen}>${row.symbol}</button>
    <${EnvironmentBadge} environment=${row.environment} /></span>
  <span class="faint side ${row.side ?? ""}">${row.side ?? "side unknown"}</span>
</span>`;

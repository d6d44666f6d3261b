/** @file The page of one bot: its key, its token, what it holds, and why it may not trade. */

import { get, patch } from "../kit/api.js";
import { useExchanges } from "../kit/exchanges.js";
import { ago, counted, time } from "../kit/format.js";
import { html, useEffect, useRef, useState } from "../kit/html.js";
import { useResource } from "../kit/resource.js";
import { may } from "../kit/session.js";
import { EnvironmentBadge, PresenceBadge } from "../parts/badges.js";
import { done, failed } from "../parts/notice.js";
import { ReasonList } from "../parts/reasons.js";
import { Empty, Loaded } from "../parts/states.js";
import { Assignment } from "./bots/assignment.js";
import { DeleteBot } from "./bots/deletion.js";
import { BotEvents } from "./bots/events.js";
import { RenameBot } from "./bots/name.js";
import { OpenPositions } from "./bots/positions.js";
import { Token } from "./bots/token.js";

/** @typedef {import("../../types/api").Bot} Bot */
/** @typedef {{ bot: Bot, reload: () => Promise<void> }} OfBot what each part of the page gets */

/** No event says that a heartbeat came. */
const READ_MILLISECONDS = 20_000;
const FAR = /^(key|asset|freeze)\./;

/** @param {{ id: string }} props */
export function View({ id }) {
  useExchanges();
  const deleting = useRef(false);
  const resource = useResource(
    `/v1/bots/${id}`,
    (stop) => get(`/v1/bots/${id}`, {}, stop),
    (event) => !deleting.current && (event.bot_id === id || FAR.test(event.type)),
  );
  const { reload, problem } = resource;
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === "visible" && !deleting.current) void reload();
    }, READ_MILLISECONDS);
    return () => clearInterval(timer);
  }, [id]);
  if (problem?.status === 404 || problem?.code === "invalid_request") {
    return html`<${Empty} title="There is no such bot"><p>It may have been deleted.</p>
      <a class="button" href="/bots">Open all bots</a><//>`;
  }
  return html`<${Loaded} resource=${resource} what="the bot">
    ${(/** @type {Bot} */ bot) => html`<${Page} bot=${bot} reload=${reload} deleting=${deleting} />`}
  <//>`;
}

/** @param {OfBot & { deleting: { current: boolean } }} props `deleting`: set while nothing may be read of the bot */
function Page({ bot, reload, deleting }) {
  const [dialog, setDialog] = useState(/** @type {"" | "rename" | "delete"} */ (""));
  const [busy, setBusy] = useState(false);
  const close = () => setDialog("");
  const pause = async () => {
    setBusy(true);
    try {
      await patch(`/v1/bots/${bot.id}`, { paused: !bot.paused });
      await reload();
      done(bot.paused ? "The bot may open positions again." : "The bot opens no new positions.");
    } catch (error) {
      failed(error);
    } finally {
      setBusy(false);
    }
  };
  return html`
    <p class="path"><a href="/bots">Bots</a></p>
    <header class="title">
      <h1 dir="auto">${bot.name}</h1>
      ${bot.key && html`<${EnvironmentBadge} environment=${bot.key.environment} />`}
      <${PresenceBadge} online=${bot.online} paused=${bot.paused} />
      ${may("bots:write") && html`
        <button type="button" disabled=${busy} onClick=${pause}>${bot.paused ? "Resume" : "Pause"}</button>
        <button type="button" onClick=${() => setDialog("rename")}>Rename</button>
        <button type="button" onClick=${() => setDialog("delete")}>Delete</button>`}
    </header>
    <section class="card" aria-labelledby="trading">
      <h2 id="trading">New positions</h2>
      <${Trading} bot=${bot} />
      <dl class="facts">
        <dt>Last heartbeat</dt>
        <dd>${bot.last_heartbeat_at
          ? html`<time datetime=${bot.last_heartbeat_at} title=${time(bot.last_heartbeat_at)}>${ago(bot.last_heartbeat_at)}</time>`
          : "Never: the bot has not been started yet."}</dd>
        <dt>Open positions</dt><dd>${bot.open_positions}</dd>
        <dt>Resting orders</dt><dd>${bot.open_orders}</dd>
        <dt>Added</dt><dd>${time(bot.created_at)}</dd>
      </dl>
    </section>
    <${Assignment} bot=${bot} reload=${reload} />
    <${OpenPositions} bot=${bot} reload=${reload} />
    <${Token} bot=${bot} />
    <${BotEvents} bot=${bot} />
    ${dialog === "rename" && html`<${RenameBot} bot=${bot} onClose=${close} onChanged=${reload} />`}
    ${dialog === "delete" && html`<${DeleteBot} bot=${bot} reload=${reload} deleting=${deleting} onClose=${close} />`}
  `;
}

/** @param {{ bot: Bot }} props */
function Trading({ bot }) {
  const codes = bot.blocked_by;
  if (!codes.length) return html`<p>The bot may open new positions.</p>`;
  const held = bot.open_positions
    ? ` Its ${counted(bot.open_positions, "open position")} ${bot.open_positions === 1 ? "is" : "are"} not affected: exits go on.`
    : " Positions that are already open would not be affected.";
  return html`
    <p>The bot opens no new positions, for ${counted(codes.length, "reason")}.${held}</p>
    <${ReasonList} codes=${codes} place=${{ bot_id: bot.id, key_id: bot.key?.id ?? null }} here="/bots/${bot.id}" />
  `;
}

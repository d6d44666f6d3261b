/** @file What the bot reported lately, and what the service recorded about it. */

import { get } from "../../kit/api.js";
import { ago, time } from "../../kit/format.js";
import { html } from "../../kit/html.js";
import { useReloadOn, useResource } from "../../kit/resource.js";
import { Loaded } from "../../parts/states.js";

/** @typedef {import("../../../types/api").BotEvent} BotEvent */

const LATEST = 20;
const TONES = { info: "plain", warning: "warning", error: "bad" };

/** @param {{ bot: import("../../../types/api").Bot }} props */
export function BotEvents({ bot }) {
  const environment = bot.key?.environment;
  const resource = useResource(
    `events of ${bot.id} ${environment}`,
    (stop) => get("/v1/bot-events", { bot_id: bot.id, environment, limit: LATEST }, stop),
    (event) => event.bot_id === bot.id,
  );
  useReloadOn(bot.last_heartbeat_at, resource.reload);
  return html`<section class="card" aria-labelledby="events">
    <h2 id="events">Latest events</h2>
    <${Loaded} resource=${resource} what="the events">
      ${(/** @type {{ items: BotEvent[] }} */ { items }) =>
        items.length
          ? html`<ul class="feed">${items.map((event) => html`<li key=${event.id}>
              <time datetime=${event.at} title=${time(event.at)}>${ago(event.at)}</time>
              <span><span class="badge ${TONES[event.level]}">${event.kind.replaceAll("_", " ")}</span>
              ${" "}<span dir="auto">${event.message}</span></span></li>`)}</ul>`
          : html`<p class="faint">The bot reported nothing yet.</p>`}
    <//>
  </section>`;
}

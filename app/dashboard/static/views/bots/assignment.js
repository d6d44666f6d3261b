/** @file Which key a bot has: assigning one, exchanging it for another, taking it away. */

import { get, put, remove } from "../../kit/api.js";
import { ago, counted, time } from "../../kit/format.js";
import { html, useState } from "../../kit/html.js";
import { useListing } from "../../kit/listing.js";
import { useReloadOn, useResource } from "../../kit/resource.js";
import { may } from "../../kit/session.js";
import { exchangeName } from "../../kit/exchanges.js";
import { EnvironmentBadge } from "../../parts/badges.js";
import { Confirm, Dialog } from "../../parts/dialog.js";
import { FormProblem, useSubmit } from "../../parts/form.js";
import { done } from "../../parts/notice.js";
import { Search } from "../../parts/search.js";
import { Failure } from "../../parts/states.js";
import { KeyOf } from "./key.js";

/** @typedef {import("../../../types/api").Key} Key */
/** @typedef {import("../../../types/api").Bot} Bot */
/** @typedef {import("../../../types/api").KeyRelease} KeyRelease */

/** Releases that are shown. */
const LATEST = 5;

/** @param {import("../bot.js").OfBot} props */
export function Assignment({ bot, reload }) {
  const [dialog, setDialog] = useState(/** @type {"" | "assign" | "unassign"} */ (""));
  const locked = bot.key !== null && held(bot);
  const close = () => setDialog("");
  return html`<section class="card" aria-labelledby="assignment">
    <h2 id="assignment">API key</h2>
    ${bot.key ? html`<p><${KeyOf} assigned=${bot.key} /></p><${Releases} bot=${bot} key_id=${bot.key.id} />` : html`<p>This bot has no API key yet.</p>`}
    ${may("bots:write") && html`<div class="actions">
      <button type="button" disabled=${Boolean(locked)} onClick=${() => setDialog("assign")}>
        ${bot.key ? "Change key" : "Assign a key"}</button>
      ${bot.key && html`<button type="button" disabled=${Boolean(locked)}
        onClick=${() => setDialog("unassign")}>Unassign</button>`}
    </div>`}
    ${locked && html`<p class="help">${locked}</p>`}
    ${dialog === "assign" && html`<${AssignKey} bot=${bot} reload=${reload} onClose=${close} />`}
    ${dialog === "unassign" && html`<${Confirm} title="Unassign the key" action="Unassign" onClose=${close}
      onConfirm=${async () => {
        await remove(`/v1/bots/${bot.id}/key`);
        await reload();
        done("The bot no longer has a key.");
      }}>
      <p>The bot opens no new positions until it gets a key again. The key can then be assigned to another
      bot, or be deleted.</p>
    <//>`}
  </section>`;
}

/**
 * Returns why the bot's key stays for now; empty if nothing holds it.
 *
 * @param {Bot} bot
 */
function held(bot) {
  if (bot.open_positions) {
    return `You cannot change a bot's API key while it has open positions. This bot has ${counted(bot.open_positions, "open position")}: close ${bot.open_positions === 1 ? "it" : "them"} first.`;
  }
  if (bot.open_orders) {
    return `The bot has ${counted(bot.open_orders, "order")} at the exchange. Cancel ${bot.open_orders === 1 ? "it" : "them"} first, or stop the bot and wait 5 minutes.`;
  }
  return "";
}

/** When the bot got the credentials last, and from where. @param {{ bot: Bot, key_id: string }} props */
function Releases({ bot, key_id }) {
  const { data, reload } = useResource(
    `releases of ${key_id}`,
    (stop) => get(`/v1/keys/${key_id}/releases`, { limit: LATEST }, stop),
    (event) => event.key_id === key_id,
  );
  useReloadOn(bot.last_heartbeat_at, reload);
  if (data === null) return null;
  const releases = /** @type {KeyRelease[]} */ (data.items).filter((one) => one.bot.id === bot.id);
  if (!releases.length) return html`<p class="faint">The bot has not fetched these credentials yet.</p>`;
  return html`<p class="faint">The bot fetched the credentials last:</p>
    <ul class="counts">${releases.map((one) => html`<li key=${one.id}>
      <time datetime=${one.at} title=${time(one.at)}>${ago(one.at)}</time> from <code>${one.from}</code></li>`)}</ul>`;
}

/** @param {import("../bot.js").OfBot & { onClose: () => void }} props */
function AssignKey({ bot, reload, onClose }) {
  const [search, setSearch] = useState("");
  const [chosen, setChosen] = useState("");
  const list = useListing(
    "/v1/keys",
    { active: true, assigned: false, search },
    (event) => /^(key|assignment)\./.test(event.type),
  );
  const offered = /** @type {Key[]} */ (list.items).filter((key) => !key.awaiting_api_key);
  const { busy, problem, submit } = useSubmit(async () => {
    await put(`/v1/bots/${bot.id}/key`, { key_id: chosen });
    await reload();
    done("The key is assigned.");
    onClose();
  });
  return html`<${Dialog} title=${bot.key ? "Change key" : "Assign a key"} onClose=${onClose} busy=${busy}>
    <form onSubmit=${submit}>
      <${FormProblem} problem=${problem} />
      ${problem?.code === "key_assigned" && problem.body.bot &&
        html`<p><a href="/bots/${problem.body.bot.id}" dir="auto">Open ${problem.body.bot.name}</a></p>`}
      ${list.problem && html`<${Failure} problem=${list.problem} retry=${list.reload} />`}
      <${Search} label="Search" value="" onSearch=${setSearch} />
      <fieldset class="choices">
        <legend>Active keys that no bot has</legend>
        ${offered.map((key) => html`<${Choice} key=${key.id} offered=${key} chosen=${chosen === key.id} choose=${setChosen} />`)}
        ${list.loaded && !offered.length && html`<p>No active key is free${search ? " that matches" : ""}.
          <a href="/keys">Add a key, activate one</a>, or unassign one from its bot.</p>`}
      </fieldset>
      ${!list.complete && list.loaded && html`<button type="button" class="small" onClick=${list.more}>Show more keys</button>`}
      <p class="help">Each key can be assigned to only one bot at a time, and it must be active. You cannot
      change a bot's API key while it has open positions.</p>
      <footer>
        <button type="button" disabled=${busy} onClick=${onClose}>Cancel</button>
        <button type="submit" class="primary" aria-busy=${busy}
          disabled=${busy || !offered.some((key) => key.id === chosen)}>Assign</button>
      </footer>
    </form>
  <//>`;
}

/** @param {{ offered: Key, chosen: boolean, choose: (id: string) => void }} props */
const Choice = ({ offered, chosen, choose }) => html`<label class="choice">
  <input type="radio" name="key" value=${offered.id} checked=${chosen} onChange=${() => choose(offered.id)} />
  <span><span dir="auto">${offered.label}</span> <${EnvironmentBadge} environment=${offered.environment} />
    <span class="faint"> ${exchangeName(offered.exchange)} · ${offered.contract_type} · <code>${offered.masked_key}</code></span></span>
</label>`;

/** @file The browsers that are signed in, and signing them out. */

import { remove } from "../../kit/api.js";
import { ago, counted, time } from "../../kit/format.js";
import { html, useState } from "../../kit/html.js";
import { useListing } from "../../kit/listing.js";
import { Confirm } from "../../parts/dialog.js";
import { done } from "../../parts/notice.js";
import { Failure } from "../../parts/states.js";

/** @typedef {import("../../../types/api").Session} Session */

/** Names of browsers in a User-Agent; the first that is found counts. */
const BROWSERS = /** @type {const} */ ([
  ["Edg", "Edge"],
  ["OPR", "Opera"],
  ["Firefox", "Firefox"],
  ["HeadlessChrome", "Chrome"],
  ["Chrome", "Chrome"],
  ["Version", "Safari"],
]);
const SYSTEMS = /** @type {const} */ ([
  ["Android", "Android"],
  ["iPhone", "iPhone"],
  ["iPad", "iPad"],
  ["Windows", "Windows"],
  ["Mac OS X", "macOS"],
  ["Linux", "Linux"],
]);

/**
 * Returns what a browser calls itself, for people.
 *
 * @param {string | null} agent
 */
function browserOf(agent) {
  if (!agent) return "A browser that does not name itself";
  const [sign, name] = BROWSERS.find(([one]) => agent.includes(`${one}/`)) ?? [];
  const system = SYSTEMS.find(([one]) => agent.includes(one))?.[1];
  if (!name) return agent.slice(0, 60);
  const version = new RegExp(`${sign}/(\\d+)`).exec(agent)?.[1] ?? "";
  return `${name} ${version}${system ? ` on ${system}` : ""}`;
}

export function Sessions() {
  const [ending, setEnding] = useState(/** @type {Session | "others" | null} */ (null));
  const list = useListing("/v1/sessions", {});
  const items = /** @type {Session[]} */ (list.items);
  const others = items.filter((one) => !one.current);
  const end = async () => {
    if (ending === "others") {
      const { ended } = await remove("/v1/sessions");
      done(`${counted(ended, "browser")} signed out.`);
    } else if (ending) {
      await remove(`/v1/sessions/${ending.id}`);
      done("The browser is signed out.");
    }
    await list.reload();
  };
  return html`<section class="card" aria-labelledby="sessions">
    <h2 id="sessions">Signed-in browsers</h2>
    ${list.problem && html`<${Failure} problem=${list.problem} retry=${list.reload} stale=${list.loaded} />`}
    <ul class="entries">
      ${items.map((one) => html`<li key=${one.id}>
        <div><strong title=${one.user_agent}>${browserOf(one.user_agent)}</strong>
          ${one.current && html` <span class="badge good">this browser</span>`}
          <p class="faint">Signed in ${time(one.created_at)} · last used <span title=${time(one.last_used_at)}>${ago(one.last_used_at)}</span> from <code>${one.address}</code> ·
          ends ${time(one.expires_at)}</p></div>
        ${!one.current && html`<button type="button" class="small" aria-label="Sign out ${browserOf(one.user_agent)}"
          onClick=${() => setEnding(one)}>Sign out</button>`}
      </li>`)}
    </ul>
    <div class="actions">
      ${!list.complete && list.loaded && html`<button type="button" onClick=${list.more}>Show more</button>`}
      <button type="button" disabled=${!others.length} onClick=${() => setEnding("others")}>Sign out all other browsers</button>
    </div>
    ${ending && html`<${Confirm} title="Sign out" action="Sign out" onConfirm=${end} onClose=${() => setEnding(null)}>
      <p>${ending === "others" ? "All other browsers of this account are" : "This browser is"} signed out at once.
      Bots are not affected: they have tokens of their own.</p>
    <//>`}
  </section>`;
}

/** @file What happened in the account in the last 30 days, newest first. */

import { useDirectory } from "../kit/directory.js";
import { EVENT_TYPES, eventTitle, eventTone } from "../kit/event_types.js";
import { useExchanges } from "../kit/exchanges.js";
import { ago, counted, time } from "../kit/format.js";
import { html, useEffect, useState } from "../kit/html.js";
import { useListing } from "../kit/listing.js";
import { onEvent } from "../kit/live.js";
import { go, route, setQuery } from "../kit/router.js";
import { EnvironmentBadge } from "../parts/badges.js";
import { EventSentence } from "../parts/event_sentence.js";
import { Empty, Failure } from "../parts/states.js";

/** @typedef {import("../kit/live.js").AccountEvent} AccountEvent */

export function View() {
  useExchanges();
  const directory = useDirectory();
  const { query } = route.value;
  const { type } = query;
  const list = useListing("/v1/events", { type });
  const items = /** @type {AccountEvent[]} */ (list.items);
  const fresh = useFresh(type, items[0]?.id);
  return html`
    <header class="title"><h1>Activity</h1></header>
    <div class="filters" role="search">
      <label>Show
        <select value=${type ?? ""} onChange=${(/** @type {any} */ event) => setQuery({ type: event.target.value })}>
          <option value="">Everything</option>
          ${Object.entries(EVENT_TYPES).map(([name, title]) => html`<option value=${name}>${title}</option>`)}
        </select>
      </label>
    </div>
    ${list.problem && html`<${Failure} problem=${list.problem} retry=${list.reload} stale=${list.loaded} />`}
    <div class="fresh" role="status">${fresh > 0 && html`<button type="button" class="small primary" onClick=${list.reload}>
      Show ${counted(fresh, "new event")}</button>`}</div>
    ${!list.loaded && !list.problem && html`<p class="loading" role="status">Reading the events…</p>`}
    ${list.loaded && !items.length && (type
      ? html`<${Empty} title="No such event in the last 30 days"><button type="button" onClick=${() => go("/activity")}>Show everything</button><//>`
      : html`<${Empty} title="Nothing happened yet"><p>Keys, bots, positions and freezes leave their traces here for 30 days.</p><//>`)}
    ${items.length > 0 && html`<ul class="feed card">${items.map((event) => html`<${Entry} key=${event.id} event=${event} directory=${directory} />`)}</ul>`}
    ${list.loaded && !list.complete && html`<button type="button" onClick=${list.more}>Show older events</button>`}
  `;
}

/** @param {{ event: AccountEvent, directory: import("../kit/directory.js").Directory }} props */
const Entry = ({ event, directory }) => html`<li>
  <time datetime=${event.at} title=${time(event.at)}>${ago(event.at)}</time>
  <span><span class="badge ${eventTone(event.type)}">${eventTitle(event.type)}</span>
    ${" "}<${EventSentence} event=${event} directory=${directory} />
    ${event.environment && html` <${EnvironmentBadge} environment=${event.environment} />`}</span>
</li>`;

/**
 * Counts the events that came since the list was read: they are shown once a person asks, so that
 * what is being read does not move.
 *
 * @param {string | undefined} type
 * @param {string | undefined} newest
 */
function useFresh(type, newest) {
  const [fresh, setFresh] = useState(0);
  useEffect(() => {
    setFresh(0);
    return onEvent((event) => {
      if (event && (!type || event.type === type)) setFresh((now) => now + 1);
    });
  }, [type, newest]);
  return fresh;
}

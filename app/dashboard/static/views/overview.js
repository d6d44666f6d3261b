/** @file The Dashboard: today's result, what needs attention, what is open, the last 30 days. */

import { html } from "../kit/html.js";
import { get } from "../kit/api.js";
import { concernsOf } from "../kit/concerns.js";
import { useDirectory } from "../kit/directory.js";
import { ago, counted, now } from "../kit/format.js";
import { freezes } from "../kit/freezes.js";
import { useListing } from "../kit/listing.js";
import { periodOf } from "../kit/period.js";
import { reasonOf } from "../kit/reasons.js";
import { useRefresh } from "../kit/refresh.js";
import { useResource } from "../kit/resource.js";
import { account, environment, timeZone } from "../kit/session.js";
import { Amount, Profit } from "../parts/amount.js";
import { EnvironmentBadge } from "../parts/badges.js";
import { Curves } from "../parts/curves.js";
import { ZoneNote } from "../parts/data_filters.js";
import { KeyName, Origin } from "../parts/origin.js";
import { Loaded } from "../parts/states.js";

/** @typedef {import("../../types/api").Dashboard} Dashboard */
/** @typedef {import("../../types/api").Position} Position */
/** @typedef {import("../../types/api").Freeze} Freeze */
/** @typedef {import("../kit/directory.js").Directory} Directory */

/** The most rows of a list here; the list's own page has the others. */
const MOST = 8;

export function View() {
  const directory = useDirectory();
  const dashboard = useResource(
    `dashboard ${environment.value}`,
    (stop) => get("/v1/dashboard", { environment: environment.value }, stop),
    (event) => /^(position|key|bot|freeze|operation|assignment)\./.test(event.type),
  );
  useRefresh(dashboard.reload);
  const period = periodOf({}, timeZone.value, "30d");
  const query = { environment: environment.value, from: period.from };
  return html`
    <header class="title"><h1>Dashboard</h1><${EnvironmentBadge} environment=${environment.value} /></header>
    <${ZoneNote} />
    <${Freezes} directory=${directory} />
    <${Loaded} resource=${dashboard} what="today's figures">
      ${(/** @type {Dashboard} */ data) => html`<div class="cards"><${Today} data=${data} /><${Counts} data=${data} /></div>`}
    <//>
    <${Attention} directory=${directory} />
    <${OpenPositions} directory=${directory} />
    <h2 class="section">Equity of the last 30 days</h2>
    ${directory.loaded && html`<${Curves} by="key_id" sources=${sourcesOf(directory)} query=${query} only="equity"
      empty=${html`<p class="nothing">No equity yet: bots report what the exchange account is worth as <em>equity snapshots</em>.</p>`} />
      <p><a href="/analytics">All figures and curves</a></p>`}
  `;
}

/** @param {Directory} directory */
function sourcesOf(directory) {
  const counts = new Map(account.value?.data.map(({ key, counts: rows }) => [key.id, rows.equity_snapshots]));
  return [...directory.keys.values()]
    .filter((key) => key.environment === environment.value)
    .sort((one, other) => (counts.get(other.id) ?? 0) - (counts.get(one.id) ?? 0));
}

/** @param {{ data: Dashboard }} props a card for each settle asset: they are never added up */
function Today({ data }) {
  if (data.pnl_today.length === 0) {
    return html`<section class="card" aria-label="P&L today"><div class="faint">P&L today</div>
      <div class="figure">–</div><div class="faint">No trade closed today.</div></section>`;
  }
  return data.pnl_today.map(
    (today) => html`<section class="card" key=${today.settle} aria-label="P&L today in ${today.settle}">
      <div class="faint">P&L today in ${today.settle}</div>
      <div class="figure"><${Profit} value=${today.realised_pnl} glance=${true} /></div>
      <div class="faint">${counted(today.trades, "trade")}${Number(today.funding) !== 0 && html`, funding <${Profit} value=${today.funding} />`}</div>
    </section>`,
  );
}

/** @param {{ data: Dashboard }} props */
const Counts = ({ data }) => html`
  <section class="card" aria-label="Open positions"><div class="faint">Open positions</div>
    <div class="figure">${data.open_positions.toLocaleString("en")}</div><a class="faint" href="/positions">Positions</a></section>
  <section class="card" aria-label="Bots"><div class="faint">Bots online</div>
    <div class="figure">${data.bots.online} <span class="faint">of ${data.bots.total}</span></div><a class="faint" href="/bots">Bots</a></section>
  <section class="card" aria-label="Keys"><div class="faint">Active keys</div>
    <div class="figure">${data.keys.active} <span class="faint">of ${data.keys.total}</span></div><a class="faint" href="/keys">API keys</a></section>
`;

/** @param {{ directory: Directory }} props */
function OpenPositions({ directory }) {
  const list = useListing(
    "/v1/positions",
    { environment: environment.value, status: "open" },
    (event) => /^(position|operation)\./.test(event.type),
  );
  const items = /** @type {Position[]} */ (list.items);
  return html`<section class="card" aria-labelledby="open-positions">
    <h2 id="open-positions">Open positions</h2>
    ${list.problem && html`<p class="problem">${list.problem.message}</p>`}
    ${list.loaded && items.length === 0 && html`<p class="nothing">No position is open.</p>`}
    ${items.length > 0 &&
    html`<ul class="plain">
        ${items.slice(0, MOST).map(
          (position) => html`<li key="${position.bot.id} ${position.id}">
            <span class="grow"><strong>${position.symbol}</strong> <span class="side ${position.side}">${position.side}</span>
              <${EnvironmentBadge} environment=${position.environment} /></span>
            <span class="figures"><${Amount} value=${position.quantity} /> at <${Amount} value=${position.entry_price} /></span>
            <${Origin} row=${position} directory=${directory} />
            <span class="faint">${ago(position.opened_at ?? position.created_at, now.value)}</span>
          </li>`,
        )}
      </ul>
      ${(items.length > MOST || !list.complete) && html`<p><a href="/positions">All open positions</a></p>`}`}
  </section>`;
}

/** @param {{ directory: Directory }} props a freeze of the whole account stands above every page already */
function Freezes({ directory }) {
  const items = (freezes.value?.data ?? []).filter(
    (freeze) => freeze.scope !== "account" && (freeze.environment ?? environment.value) === environment.value,
  );
  if (items.length === 0) return null;
  return html`<section class="card frozen" aria-labelledby="freezes">
    <h2 id="freezes">New positions are stopped for</h2>
    <ul class="plain">
      ${items.slice(0, MOST).map(
        (freeze) => html`<li key=${freeze.id}>
          <span class="grow"><span class="badge cold">frozen</span> <${Frozen} freeze=${freeze} directory=${directory} />${" "}
            ${freeze.reason && html`<span class="faint"><bdi>${freeze.reason}</bdi></span>`}</span>
          <span class="faint">${ago(freeze.created_at, now.value)}</span>
        </li>`,
      )}
    </ul>
    <p><a href="/freezes">Freezes</a></p>
  </section>`;
}

/** @param {{ freeze: Freeze, directory: Directory }} props */
function Frozen({ freeze, directory }) {
  if (freeze.scope === "exchange") return `all keys of ${freeze.exchange}`;
  return html`the key <${KeyName} source=${{ id: freeze.key_id ?? "", label: null }} directory=${directory} />`;
}

/** @param {{ directory: Directory }} props */
function Attention({ directory }) {
  if (!directory.loaded) return null;
  const keys = directory.present.filter((key) => key.environment === environment.value);
  const bots = [...directory.bots.values()].filter((bot) => !bot.key || bot.key.environment === environment.value);
  const items = concernsOf(keys, bots, (code) => reasonOf(code).sentence);
  return html`<section class="card" aria-labelledby="attention">
    <h2 id="attention">Needs attention</h2>
    ${items.length === 0
      ? html`<p class="nothing">Nothing: every active key is accepted, and every bot with a position is online.</p>`
      : html`<ul class="plain">
          ${items.slice(0, MOST).map(
            ({ id, place, name, badge, tone, text }) => html`<li key="${id} ${badge}">
              <span class="badge ${tone}">${badge}</span>
              <span class="grow"><a href=${place}><bdi>${name}</bdi></a> <span class="faint">${text}</span></span>
            </li>`,
          )}
        </ul>
        ${items.length > MOST && html`<p class="faint">And ${counted(items.length - MOST, "other", "others")}.</p>`}`}
  </section>`;
}

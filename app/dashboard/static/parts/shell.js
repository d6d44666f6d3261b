/** @file What surrounds every view: navigation, environment, the state of the stream. */

import { html, useEffect, useRef, useState } from "../kit/html.js";
import { sessionEnded } from "../kit/api.js";
import { useAttention } from "../kit/attention.js";
import { ago } from "../kit/format.js";
import { stream } from "../kit/live.js";
import { route } from "../kit/router.js";
import { environment, hasTestnet, selectEnvironment, session, signInAddress, signOut } from "../kit/session.js";
import { useFreezes } from "../kit/freezes.js";
import { FreezeBanner, FreezeEverything } from "./freezing.js";
import { failed } from "./notice.js";

const PLACES = [
  ["/overview", "Dashboard"],
  ["/keys", "API keys"],
  ["/bots", "Bots"],
  ["/positions", "Positions"],
  ["/trades", "Trades"],
  ["/analytics", "Analytics"],
  ["/activity", "Activity"],
  ["/audit", "Audit log"],
  ["/freezes", "Freezes"],
  ["/webhooks", "Webhooks"],
  ["/settings", "Settings"],
];

/** @param {{ children?: any }} props */
export function Shell({ children }) {
  const main = useRef(/** @type {HTMLElement | null} */ (null));
  const [open, setOpen] = useState(false);
  const { path } = route.value;
  useFreezes();
  const attention = useAttention();
  useEffect(() => {
    setOpen(false);
    main.current?.focus({ preventScroll: true });
  }, [path]);
  return html`
    <a class="skip" href="#main">Skip to the content</a>
    <div class="shell ${open ? "open" : ""}">
      <header class="bar">
        <button type="button" class="menu" aria-expanded=${open} aria-controls="sidebar"
          onClick=${() => setOpen(!open)}>Menu</button>
        <a class="brand" href="/">Botkeys</a>
        <${FreezeEverything} />
      </header>
      <nav id="sidebar" aria-label="Pages">
        <a class="brand" href="/">Botkeys</a>
        <${Environments} />
        <ul>
          ${PLACES.map(
            ([address = "", title]) => html`<li>
              <a href=${address} aria-current=${path === address || path.startsWith(`${address}/`) ? "page" : undefined}>
                ${title}<${Count} attention=${attention[address]} />
              </a>
            </li>`,
          )}
        </ul>
        <${FreezeEverything} />
        <${Stream} />
        <p class="who"><span dir="auto" title=${session.value?.subject}>${session.value?.subject}</span>
          <button type="button" class="quiet" onClick=${signOut}>Sign out</button></p>
      </nav>
      <main id="main" tabindex="-1" ref=${main}>
        ${sessionEnded.value !== null && html`<div class="problem box" role="alert">
          <p>Your session has ended. What you see was read before.</p>
          <a class="button small" href=${signInAddress()}>Sign in again</a>
        </div>`}
        <${FreezeBanner} />
        ${children}
      </main>
    </div>
  `;
}

/** How many things of a place need attention. @param {{ attention: import("../kit/attention.js").Attention | undefined }} props */
const Count = ({ attention }) =>
  attention && attention.number > 0
    ? html` <span class="count ${attention.tone}" title=${attention.meaning}>
        <span aria-hidden="true">${attention.number}</span><span class="unseen">(${attention.meaning})</span></span>`
    : null;

/** The switch between live and testnet data, once there are testnet data. */
function Environments() {
  if (!hasTestnet.value) return null;
  return html`<div class="environments" role="group" aria-label="Environment">
    ${/** @type {const} */ (["live", "testnet"]).map(
      (one) => html`<button type="button" aria-pressed=${environment.value === one}
        onClick=${() => selectEnvironment(one).catch(failed)}>${one === "live" ? "Live" : "Testnet"}</button>`,
    )}
  </div>`;
}

/** Whether what is shown is live; honest when it is not. */
function Stream() {
  const { state, since } = stream.value;
  if (state === "live") return html`<p class="stream live">Connected</p>`;
  if (state === "connecting") return html`<p class="stream">Connecting…</p>`;
  return html`<p class="stream away" role="status">
    Live updates stopped ${ago(since)}. The page reads everything again every 15 seconds.
  </p>`;
}

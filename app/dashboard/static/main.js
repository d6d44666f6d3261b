/** @file Starts the page: who is signed in, then the view of the address. */

import { html, render, useEffect, useState } from "./kit/html.js";
import { sessionEnded } from "./kit/api.js";
import { closing } from "./kit/closing.js";
import { startLive } from "./kit/live.js";
import { go, matched, route, startRouter } from "./kit/router.js";
import { account, followAccount, followTabs, newestEvent, openSession, session, sessionProblem } from "./kit/session.js";
import { Notices } from "./parts/notice.js";
import { Shell } from "./parts/shell.js";
import { Failure } from "./parts/states.js";
import { Closed } from "./views/closed.js";
import { SignIn } from "./views/sign_in.js";

/** The addresses, and the module whose `View` shows each; `pages.py` has the same addresses. */
const VIEWS = /** @type {Record<string, () => Promise<{ View: (props: any) => any }>>} */ ({
  "/keys": () => import("./views/keys.js"),
  "/keys/:id": () => import("./views/key.js"),
  "/bots": () => import("./views/bots.js"),
  "/bots/:id": () => import("./views/bot.js"),
  "/overview": () => import("./views/overview.js"),
  "/analytics": () => import("./views/analytics.js"),
  "/positions": () => import("./views/positions.js"),
  "/trades": () => import("./views/trades.js"),
  "/activity": () => import("./views/activity.js"),
  "/audit": () => import("./views/audit.js"),
  "/freezes": () => import("./views/freezes.js"),
  "/webhooks": () => import("./views/webhooks.js"),
  "/webhooks/:id": () => import("./views/webhook.js"),
  "/settings": () => import("./views/settings.js"),
});

/** Where the page opens: a new account begins with its first key. */
const firstPlace = () => (account.value?.environments_with_data.length ? "/overview" : "/keys");

/** The view of the address, loaded when it is first shown. */
function Current() {
  const { path } = route.value;
  const [loaded, setLoaded] = useState(/** @type {{ pattern: string, View: any } | null} */ (null));
  const [problem, setProblem] = useState(/** @type {Error | null} */ (null));
  const pattern = Object.keys(VIEWS).find((one) => matched(one, path)) ?? null;
  useEffect(() => {
    let wanted = true;
    setProblem(null);
    if (pattern === null) return go(firstPlace(), { replace: true });
    VIEWS[pattern]?.().then(
      ({ View }) => wanted && setLoaded({ pattern, View }),
      () => wanted && setProblem(new Error("A part of this page could not be loaded. Load it again.")),
    );
    return () => {
      wanted = false;
    };
  }, [pattern]);
  if (problem) return html`<${Failure} problem=${problem} retry=${() => location.reload()} />`;
  if (!loaded || loaded.pattern !== pattern) return html`<p class="loading" role="status">Opening…</p>`;
  return html`<${loaded.View} key=${path} ...${matched(pattern, path)} />`;
}

function Page() {
  const [opened, setOpened] = useState(false);
  const open = () => {
    sessionProblem.value = null;
    sessionEnded.value = null;
    void openSession().finally(() => setOpened(true));
  };
  useEffect(open, []);
  useEffect(() => {
    if (!session.value) return;
    followAccount();
    startLive(session.value.account_id, newestEvent);
  }, [session.value?.account_id]);
  if (closing.value) return html`<${Closed} />`;
  if (sessionProblem.value) return html`<${Failure} problem=${sessionProblem.value} retry=${open} />`;
  if (!opened) return html`<p class="loading" role="status">Opening Botkeys…</p>`;
  if (!session.value) return html`<${SignIn} />`;
  return html`<${Shell}><${Current} /><//><${Notices} />`;
}

startRouter();
followTabs();
const place = /** @type {HTMLElement} */ (document.getElementById("page"));
place.replaceChildren();
render(html`<${Page} />`, place);

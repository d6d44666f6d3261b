/** @file The page of somebody who is not signed in. */

import { html } from "../kit/html.js";
import { route } from "../kit/router.js";

export function SignIn() {
  const { path, query } = route.value;
  const back = path === "/sign-in" ? (query.return_to ?? "/") : path + location.search;
  return html`<main class="sign-in">
    <h1>Botkeys</h1>
    <p>Securely manage your exchange API keys for automated trading.</p>
    <a class="button primary" href="/auth/login?return_to=${encodeURIComponent(back)}">Sign in</a>
  </main>`;
}

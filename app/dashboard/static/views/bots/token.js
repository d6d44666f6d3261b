/** @file The bot's token: minted here, shown once, and how a program uses it. */

import { post } from "../../kit/api.js";
import { html, useState } from "../../kit/html.js";
import { may } from "../../kit/session.js";
import { Dialog } from "../../parts/dialog.js";
import { Copy, FormProblem, useSubmit } from "../../parts/form.js";

/** @typedef {import("../../../types/api").Bot} Bot */

/** @param {{ bot: Bot }} props */
export function Token({ bot }) {
  const [minting, setMinting] = useState(false);
  return html`<section class="card" aria-labelledby="token">
    <h2 id="token">Token</h2>
    <p>The program signs in with a token of its own. It is shown once, when it is minted; a new token ends the
    former one at once.</p>
    ${may("bots:write") && html`<div class="actions">
      <button type="button" onClick=${() => setMinting(true)}>Mint a token</button></div>`}
    <details><summary>How the bot is started</summary><${Usage} bot=${bot} /></details>
    ${minting && html`<${MintToken} bot=${bot} onClose=${() => setMinting(false)} />`}
  </section>`;
}

/** @param {{ bot: Bot, onClose: () => void }} props */
function MintToken({ bot, onClose }) {
  const [token, setToken] = useState("");
  const { busy, problem, submit } = useSubmit(async () => {
    setToken((await post(`/v1/bots/${bot.id}/token`)).token);
  });
  if (token) {
    return html`<${Dialog} title="The bot's token" wide busy onClose=${onClose}>
      <p>Copy it now: <strong>it is never shown again</strong>. Any former token of this bot has stopped working.</p>
      <div class="copied"><code class="secret" translate=${false}>${token}</code><${Copy} text=${token} label="Copy token" /></div>
      <${Usage} bot=${bot} />
      <footer><button type="button" class="primary" onClick=${onClose}>I have stored the token</button></footer>
    <//>`;
  }
  return html`<${Dialog} title="Mint a token" onClose=${onClose} busy=${busy}>
    <form onSubmit=${submit}>
      <p>The new token is shown once. <strong>If the bot has a token already, that one stops working at once</strong>,
      and a running bot stops until it is started with the new one.</p>
      <${FormProblem} problem=${problem} />
      <footer>
        <button type="button" disabled=${busy} onClick=${onClose}>Cancel</button>
        <button type="submit" class="primary" disabled=${busy} aria-busy=${busy}>Mint a token</button>
      </footer>
    </form>
  <//>`;
}

/** What to do with a token, with the address of this service. @param {{ bot: Bot }} props */
function Usage({ bot }) {
  const expected = bot.key ? ` --expect environment=${bot.key.environment}` : "";
  const check = bot.key ? `botkeys check ${bot.key.exchange} --environment ${bot.key.environment}` : "";
  return html`<div class="usage">
    <p>Keep the token in a file that only the bot can read, never on a command line:</p>
    <${Lines} text=${`umask 077\ncat > bot.token        # paste the token, then Ctrl-D\nexport BOTKEYS_URL=${location.origin}\nexport BOTKEYS_TOKEN_FILE=$PWD/bot.token`} />
    <p>Where a file is not possible, the variable <code>BOTKEYS_TOKEN</code> holds the token itself. Then start your
    program with its credentials:</p>
    <${Lines} text=${`botkeys run${expected} --preset env -- ./bot`} />
    ${check && html`<p>To see what the key may do from that machine, without this service:</p>
      <${Lines} text=${check} />`}
  </div>`;
}

/** @param {{ text: string }} props */
const Lines = ({ text }) => html`<div class="copied"><pre tabindex="0" translate=${false}>${text}</pre><${Copy} text=${text} /></div>`;

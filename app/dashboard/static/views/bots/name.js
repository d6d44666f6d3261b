/** @file Adding a bot, and renaming it. */

import { patch, post } from "../../kit/api.js";
import { html, useState } from "../../kit/html.js";
import { go } from "../../kit/router.js";
import { Dialog } from "../../parts/dialog.js";
import { Field, FormProblem, useSubmit } from "../../parts/form.js";
import { done } from "../../parts/notice.js";

/** @typedef {import("../../../types/api").Bot} Bot */

/**
 * Asks for a name. `send` stores it.
 *
 * @param {{ title: string, action: string, name?: string, help?: any, onClose: () => void,
 *   send: (name: string, intent: string) => Promise<unknown> }} props
 */
function NameDialog({ title, action, name = "", help, onClose, send }) {
  const [text, setText] = useState(name);
  const { busy, problem, submit, edited } = useSubmit((intent) => send(text, intent));
  const typed = (/** @type {any} */ event) => {
    setText(event.target.value);
    edited();
  };
  return html`<${Dialog} title=${title} onClose=${onClose} busy=${busy}>
    <form onSubmit=${submit} novalidate>
      <${FormProblem} problem=${problem} shown=${["name"]} />
      <${Field} label="Name" help=${help} error=${problem?.fields.name}>
        ${(/** @type {any} */ attributes) => html`<input ...${attributes} name="name" dir="auto" value=${text}
          autocomplete="off" autofocus onInput=${typed} />`}
      <//>
      <footer>
        <button type="button" disabled=${busy} onClick=${onClose}>Cancel</button>
        <button type="submit" class="primary" disabled=${busy} aria-busy=${busy}>${action}</button>
      </footer>
    </form>
  <//>`;
}

/** @param {{ onClose: () => void }} props */
export const AddBot = ({ onClose }) =>
  html`<${NameDialog} title="Add bot" action="Add bot" onClose=${onClose}
    help="A name for people, such as “Grid BTC”. You can change it later."
    send=${async (/** @type {string} */ name, /** @type {string} */ intent) => {
      const bot = await post("/v1/bots", { name }, { intent });
      onClose();
      go(`/bots/${bot.id}`);
    }} />`;

/** @param {{ bot: Bot, onClose: () => void, onChanged: (bot: Bot) => void }} props */
export const RenameBot = ({ bot, onClose, onChanged }) =>
  html`<${NameDialog} title="Rename bot" action="Rename" name=${bot.name} onClose=${onClose}
    send=${async (/** @type {string} */ name) => {
      onChanged(await patch(`/v1/bots/${bot.id}`, { name }));
      done(`The bot is now named “${name.trim()}”.`);
      onClose();
    }} />`;

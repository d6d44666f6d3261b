/** @file Settings: time zone, theme, sessions, deletion of data, and closing the account. */

import { html, useState } from "../kit/html.js";
import { may } from "../kit/session.js";
import { Closure } from "./settings/closure.js";
import { DataDeletion } from "./settings/data_deletion.js";
import { Operations } from "./settings/operations.js";
import { Sessions } from "./settings/sessions.js";
import { Theme } from "./settings/theme.js";
import { TimeZone } from "./settings/time_zone.js";

export function View() {
  const [round, setRound] = useState(0);
  return html`
    <header class="title"><h1>Settings</h1></header>
    <${TimeZone} />
    <${Theme} />
    ${may("account:admin") && html`<${Sessions} />`}
    ${may("data:delete") && html`<${DataDeletion} onBegun=${() => setRound(round + 1)} />`}
    <${Operations} round=${round} />
    ${may("account:admin") && html`<${Closure} />`}
  `;
}

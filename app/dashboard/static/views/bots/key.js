/** @file The key of a bot, as it is shown beside the bot. */

import { exchangeName } from "../../kit/exchanges.js";
import { html } from "../../kit/html.js";
import { EnvironmentBadge } from "../../parts/badges.js";

/** @param {{ assigned: import("../../../types/api").AssignedKey }} props */
export const KeyOf = ({ assigned }) => html`<a href="/keys/${assigned.id}" dir="auto">${assigned.label}</a>
  <span> <${EnvironmentBadge} environment=${assigned.environment} /> </span>
  ${!assigned.active && html`<span class="badge">inactive</span> `}
  <span class="faint">${exchangeName(assigned.exchange)}</span>`;

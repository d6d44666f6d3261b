/** @file Small marks: testnet, a key's state, a bot's presence. */

import { html } from "../kit/html.js";

/** @param {{ environment: string }} props shown wherever a key, a bot or a row is of the testnet */
export const EnvironmentBadge = ({ environment }) =>
  environment === "testnet" ? html`<span class="badge testnet">Testnet</span>` : null;

/** How serious each word of a key's state is. */
const TONES = /** @type {Record<string, string>} */ ({
  active: "good",
  inactive: "plain",
  expiring: "warning",
  expired: "bad",
  rejected: "bad",
  read_only: "warning",
  unreachable: "warning",
  frozen: "cold",
});

/** @param {{ state: { word: string, sentence: string } }} props */
export const StateBadge = ({ state }) =>
  html`<span class="badge ${TONES[state.word] ?? "plain"}" title=${state.sentence}>
    ${state.word.replace("_", "-")}
  </span>`;

/** @param {{ online: boolean, paused?: boolean }} props */
export const PresenceBadge = ({ online, paused = false }) => html`
  <span class="badge ${online ? "good" : "plain"}">${online ? "online" : "offline"}</span>
  ${paused && html`<span class="badge warning">paused</span>`}
`;

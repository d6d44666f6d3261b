/** @file Where the refusal of credentials is shown: beside the field it is about, or above all. */

import { html, useEffect, useRef } from "../../kit/html.js";

/** @typedef {import("../../kit/api.js").ApiProblem} ApiProblem */
/** @typedef {import("../../../types/api").ExchangeOffer} ExchangeOffer */

const BY_CODE = /** @type {Record<string, string>} */ ({
  passphrase_required: "api_passphrase",
  passphrase_twice: "api_passphrase",
  credentials_swapped: "api_key",
  key_already_added: "api_key",
  contract_type_not_offered: "contract_type",
  region_not_offered: "region",
  same_account_unproven: "confirm_same_account",
});
const BY_REASON = /** @type {Record<string, string>} */ ({
  invalid_key: "api_key",
  bad_signature: "api_secret",
  passphrase: "api_passphrase",
  wrong_environment: "environment",
});

/**
 * Returns what the service said of each field.
 *
 * @param {ApiProblem | null} problem
 * @param {string[]} names of the fields that the form has
 * @returns {Record<string, string>}
 */
export function refusedFields(problem, names) {
  if (!problem) return {};
  const found = Object.entries(problem.fields).filter(([name]) => names.includes(name));
  if (found.length) return Object.fromEntries(found);
  const name = fieldOf(problem);
  return name && names.includes(name) ? { [name]: problem.message } : {};
}

/** @param {ApiProblem} problem */
function fieldOf({ code, body, message }) {
  if (code === "credentials_rejected") return BY_REASON[body.reason ?? ""];
  if (code === "malformed_credentials") return /api_\w+/.exec(message)?.[0];
  return BY_CODE[code];
}

/**
 * The refusal above the form: what no field shows, and more about what a field does.
 *
 * @param {{ problem: ApiProblem | null, names: string[], offer?: ExchangeOffer | undefined,
 *   environment?: string, children?: any }} props
 */
export function Refusal({ problem, names, offer, environment = "live", children }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    if (!problem) return;
    const form = box.current?.closest("form");
    const field = /** @type {HTMLElement | null} */ (form?.querySelector('[aria-invalid="true"]') ?? null);
    (field ?? box.current)?.focus();
  }, [problem]);
  if (!problem) return null;
  const fields = refusedFields(problem, names);
  const shown = Object.values(fields).includes(problem.message);
  const rest = Object.entries(problem.fields).filter(([name]) => !names.includes(name));
  const code = problem.body.exchange_code;
  return html`<div class="refusal" role="alert" tabindex="-1" ref=${box}>
    <p><strong>${problem.body.title ?? "Refused"}</strong></p>
    ${shown ? html`<p>The field below says what is wrong.</p>` : html`<p>${problem.message}</p>`}
    ${rest.length > 0 && html`<ul>${rest.map(([name, text]) => html`<li>${name}: ${text}</li>`)}</ul>`}
    ${problem.code === "withdrawal_permission" && offer && html`<${Withdrawal} offer=${offer} environment=${environment} />`}
    ${problem.code === "key_already_added" && problem.body.key_id && html`<p>
      <a href="/keys/${problem.body.key_id}">Open the key that has it</a></p>`}
    ${code && html`<p class="help">The exchange's own code: <code>${code}</code></p>`}
    ${children}
  </div>`;
}

/** @param {{ offer: ExchangeOffer, environment: string }} props how to take the permission away */
function Withdrawal({ offer, environment }) {
  const portal = offer.environments[/** @type {"live"} */ (environment)]?.portal_url;
  return html`<p>To put it right: open the key at ${offer.name}, take away
      ${" "}<strong>${offer.forbidden_permissions[0]?.name}</strong>, keep
      ${" "}<strong>${offer.permissions.map(({ name }) => name).join(", ")}</strong>, and add it here again.
      If the exchange does not let you change a key, create a new one and delete this one there.</p>
    ${portal && html`<p><a href=${portal} target="_blank" rel="noopener noreferrer">Open the API keys of ${offer.name} ↗</a></p>`}`;
}

/** @file How a key is made at an exchange: steps, permissions, addresses, links. */

import { html } from "../../kit/html.js";
import { Copy } from "../../parts/form.js";

/** @typedef {import("../../../types/api").ExchangeOffer} ExchangeOffer */

/** What an environment of an exchange is like, if not simply available. */
const AVAILABILITY = /** @type {Record<string, string>} */ ({
  closed: "is closed: keys are kept, but no order is accepted.",
  discontinued: "was discontinued by the exchange.",
  unconfirmed: "could not be confirmed to be open to everybody.",
});

/**
 * @param {{ offer: ExchangeOffer, environment: "live" | "testnet", addresses: string[], pair?: boolean }} props
 *   `addresses`: those from which the service itself calls exchanges
 */
export function Guide({ offer, environment, addresses, pair = false }) {
  const place = offer.environments[environment];
  if (!place) return null;
  const { availability } = place;
  return html`<aside class="guide" aria-label="How to create the key at ${offer.name}">
    <h3>Create the key at ${offer.name}</h3>
    ${availability in AVAILABILITY && html`<p class="warned">
      ${offer.name} ${environment === "testnet" ? "testnet" : "live trading"} ${AVAILABILITY[availability]}
    </p>`}
    ${place.note && html`<p>${place.note}</p>`}
    ${place.portal_url && html`<p><a href=${place.portal_url} target="_blank" rel="noopener noreferrer">
      Open the ${environment === "testnet" ? "testnet " : ""}API keys of ${offer.name} ↗</a></p>`}
    <ol>${(pair && offer.key_pair_help ? [offer.key_pair_help] : offer.setup_steps).map((step) => html`<li>${step}</li>`)}</ol>
    <h3>Give it</h3>
    <${Permissions} list=${offer.permissions} kind="given" />
    <h3>Never give it</h3>
    <${Permissions} list=${offer.forbidden_permissions} kind="never" />
    <h3>Restrict it to addresses</h3>
    <p>${offer.address_restriction.help} ${offer.address_restriction.without}</p>
    ${addresses.length > 0
      ? html`<p class="addresses"><code>${addresses.join(", ")}</code> <${Copy} text=${addresses.join("\n")} label="Copy addresses" /></p>
        <p class="help">This service calls from these addresses. Add the addresses of your bot.</p>`
      : html`<p class="help">The operator of this service has not stated its addresses. Ask for them before you restrict the key.</p>`}
    <h3>When it ends</h3>
    <p>${offer.expiry.help}</p>
    <h3>Good to know</h3>
    <ul>${place.advice.map((advice) => html`<li>${advice}</li>`)}</ul>
  </aside>`;
}

/** @param {{ list: { name: string, help: string }[], kind: "given" | "never" }} props */
const Permissions = ({ list, kind }) => html`<ul class="permissions ${kind}">
  ${list.map(({ name, help }) => html`<li><strong>${name}</strong> ${help}</li>`)}
</ul>`;

/** @file The dialog "Add API Key": what is entered, the exchange's verdict, or a key pair to register. */

import { html, useEffect, useRef, useState } from "../../kit/html.js";
import { call, get, post } from "../../kit/api.js";
import { CONTRACT_TYPES, exchangeName, useExchanges } from "../../kit/exchanges.js";
import { go } from "../../kit/router.js";
import { CredentialFields, useCredentials } from "../../parts/credentials.js";
import { Dialog } from "../../parts/dialog.js";
import { Copy, Field, Switch, useSubmit } from "../../parts/form.js";
import { done, failed } from "../../parts/notice.js";
import { Loaded } from "../../parts/states.js";
import { Guide } from "./guide.js";
import { Progress } from "./progress.js";
import { Refusal, refusedFields } from "./refusal.js";

/** @typedef {import("../../../types/api").ExchangeList} ExchangeList */
/** @typedef {import("../../../types/api").ExchangeOffer} ExchangeOffer */
/** @typedef {import("../../../types/api").Key} Key */

const LONGEST_LABEL = 100;

/** @param {{ onClose: () => void }} props */
export function AddKey({ onClose }) {
  const exchanges = useExchanges();
  const [busy, setBusy] = useState(false);
  const [leaving, setLeaving] = useState(false);
  const [pair, setPair] = useState(/** @type {any} */ (null));
  const close = () => (busy ? setLeaving(true) : onClose());
  const opened = (/** @type {Key} */ key) => {
    onClose();
    go(`/keys/${key.id}`);
  };
  return html`<${Dialog} title=${pair ? "Register the public key" : "Add API Key"} wide onClose=${close}>
    ${leaving && busy && html`<div class="box problem" role="alert">
      <p>The exchange is being asked. If you close now, the key may still be added: look in the table.</p>
      <button type="button" class="small" onClick=${() => setLeaving(false)}>Keep waiting</button>
      <button type="button" class="small danger" onClick=${onClose}>Close anyway</button>
    </div>`}
    ${pair
      ? html`<${PublicKey} pair=${pair} onOpen=${() => opened(pair.key)} />`
      : html`<${Loaded} resource=${exchanges} what="the exchanges">
          ${(/** @type {ExchangeList} */ list) => html`<${Form} list=${list} onBusy=${setBusy} onClose=${close}
            onAdded=${opened} onPair=${setPair} />`}
        <//>`}
  <//>`;
}

/**
 * @param {{ list: ExchangeList, onBusy: (busy: boolean) => void, onClose: () => void,
 *   onAdded: (key: Key) => void, onPair: (pair: any) => void }} props
 */
function Form({ list, onBusy, onClose, onAdded, onPair }) {
  const [label, setLabel] = useState("");
  const [exchange, setExchange] = useState("");
  const [testnet, setTestnet] = useState(false);
  const [region, setRegion] = useState("");
  const [contractType, setContractType] = useState("linear");
  const [pairs, setPairs] = useState(false);
  const [algorithm, setAlgorithm] = useState("");
  const [faults, setFaults] = useState(/** @type {Record<string, string>} */ ({}));
  const unchecked = useRef(false);
  const stop = useRef(new AbortController());
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));

  const offer = list.items.find((one) => one.exchange === exchange);
  const environment = testnet && offer?.environments.testnet ? "testnet" : "live";
  const place = offer?.environments[environment];
  const regions = place?.regions ?? [];
  const chosenRegion = regions.includes(region) ? region : (regions[0] ?? null);
  const types = offer?.contract_types ?? [];
  const chosenType = types.find((type) => type === contractType) ?? types[0];
  const asPair = pairs && (offer?.key_pairs.length ?? 0) > 0;
  const credentials = useCredentials(asPair ? [] : (offer?.credential_fields ?? []));
  const latest = useRef(credentials);
  latest.current = credentials;

  const { busy, problem, submit, edited } = useSubmit(async (intent) => {
    const common = {
      label: label.trim(),
      exchange,
      environment,
      contract_type: chosenType,
      ...(chosenRegion ? { region: chosenRegion } : {}),
    };
    if (asPair) {
      const body = { ...common, algorithm: algorithm || offer?.key_pairs[0] };
      return post("/v1/keys/pairs", body, { intent, signal: stop.current.signal });
    }
    const body = { ...common, ...credentials.values(), ...(unchecked.current ? { verify: false } : {}) };
    return call("POST", "/v1/keys", { body, intent, signal: stop.current.signal });
  });
  useEffect(() => onBusy(busy), [busy]);
  useEffect(() => form.current?.querySelector("input")?.focus(), []);
  // What was entered must not outlive the dialog, nor what was asked.
  useEffect(() => () => {
    latest.current.clear();
    stop.current.abort();
  }, []);

  const names = ["label", "exchange", "api_key", "api_secret", "contract_type", "environment", "region",
    ...credentials.fields.map(({ name }) => name)];
  const refused = refusedFields(problem, names);

  const send = async (/** @type {Event} */ event, check = true) => {
    event.preventDefault();
    if (busy) return;
    const own = /** @type {Record<string, string>} */ ({});
    if (!label.trim()) own.label = "Enter a label, for example BTC Perps Key.";
    if (!offer) own.exchange = "Choose the exchange that this key belongs to.";
    setFaults(own);
    if (Object.keys({ ...own, ...credentials.check() }).length) {
      requestAnimationFrame(() => {
        const first = form.current?.querySelector('[aria-invalid="true"]');
        if (first instanceof HTMLElement) first.focus();
      });
      return;
    }
    unchecked.current = !check;
    const added = await submit(event).catch((error) => {
      if (!stop.current.signal.aborted) failed(error);
      return null;
    });
    if (!added) return;
    credentials.clear();
    if (asPair) return onPair(added);
    announce(added);
    onAdded(added);
  };

  const shown = (/** @type {string} */ name) => faults[name] ?? refused[name];
  return html`<form ref=${form} onSubmit=${send} onInput=${edited} autocomplete="off" novalidate class="columns">
    <div>
      <${Refusal} problem=${problem} names=${names} offer=${offer} environment=${environment}>
        ${problem && mayGoUnchecked(problem) && !asPair && html`<button type="button" class="small"
          onClick=${(/** @type {Event} */ event) => send(event, false)}>Add without checking</button>`}
      <//>
      <${Field} label="Label" help=${'A descriptive name, for example "BitMEX Main" or "BTC Perps Key".'} error=${shown("label")}>
        ${(/** @type {any} */ attributes) => html`<input ...${attributes} name="label" value=${label} maxlength=${LONGEST_LABEL}
          dir="auto" autocomplete="off" disabled=${busy} onInput=${(/** @type {any} */ event) => setLabel(event.target.value)} />`}
      <//>
      <${Field} label="Exchange" error=${shown("exchange")}>
        ${(/** @type {any} */ attributes) => html`<select ...${attributes} name="exchange" value=${exchange} disabled=${busy}
          onChange=${(/** @type {any} */ event) => {
            credentials.clear();
            setExchange(event.target.value);
          }}>
          <option value="" disabled>Choose an exchange</option>
          ${list.items.map((one) => html`<option value=${one.exchange}>${one.name}</option>`)}
        </select>`}
      <//>
      ${offer && html`
        ${offer.key_pairs.length > 0 && html`<fieldset class="field" disabled=${busy}>
          <legend>Kind of key</legend>
          <label><input type="radio" name="kind" checked=${!asPair} onChange=${() => setPairs(false)} /> API key and secret from ${offer.name}</label>
          <label><input type="radio" name="kind" checked=${asPair} onChange=${() => setPairs(true)} /> Make a key pair here: nobody ever sees its secret half</label>
        </fieldset>`}
        ${asPair
          ? html`<${Field} label="Algorithm" help="The first one is recommended by the exchange.">
              ${(/** @type {any} */ attributes) => html`<select ...${attributes} value=${algorithm || offer.key_pairs[0]} disabled=${busy}
                onChange=${(/** @type {any} */ event) => setAlgorithm(event.target.value)}>
                ${offer.key_pairs.map((one) => html`<option value=${one}>${one === "rsa" ? "RSA" : "Ed25519"}</option>`)}
              </select>`}
            <//>`
          : html`<${CredentialFields} credentials=${credentials} refused=${refused} disabled=${busy} />`}
        <${Field} label="Contract Type" error=${shown("contract_type")}
          help=${types.length > 1 ? "It determines how P&L and position sizes are calculated." : `${offer.name} offers no other contracts.`}>
          ${(/** @type {any} */ attributes) => html`<select ...${attributes} name="contract_type" value=${chosenType} disabled=${busy}
            onChange=${(/** @type {any} */ event) => setContractType(event.target.value)}>
            ${types.map((type) => html`<option value=${type}>${CONTRACT_TYPES[type]}</option>`)}
          </select>`}
        <//>
        ${offer.environments.testnet && html`<div class="field">
          <${Switch} label="Testnet Mode" checked=${testnet} disabled=${busy} onChange=${setTestnet} />
          <p class="help">Trades with fake funds at the exchange's testnet. It cannot be changed afterwards: testnet and live keys have different credentials.</p>
          ${shown("environment") && html`<p class="problem">${shown("environment")}</p>`}
        </div>`}
        ${regions.length > 0 && html`<${Field} label="Region" help="The site on which the account was opened." error=${shown("region")}>
          ${(/** @type {any} */ attributes) => html`<select ...${attributes} name="region" value=${chosenRegion} disabled=${busy}
            onChange=${(/** @type {any} */ event) => setRegion(event.target.value)}>
            ${regions.map((one) => html`<option value=${one}>${place?.region_names[one] ?? one}</option>`)}
          </select>`}
        <//>`}
      `}
      ${list.simulated && html`<${Simulated} exchange=${exchange} environment=${environment} fill=${(/** @type {any} */ found) => {
        if (!label.trim()) setLabel(`${exchangeName(found.exchange)} simulated`);
        setExchange(found.exchange);
        setTestnet(found.environment === "testnet");
        setPairs(false);
        setFaults({});
        requestAnimationFrame(() => latest.current.fill(found.credentials));
      }} />`}
      <${Progress} busy=${busy} text=${asPair ? "The key pair is being made…" : `${offer?.name ?? "The exchange"} is being asked whether it accepts this key…`} />
      <footer>
        <button type="button" onClick=${onClose}>Cancel</button>
        <button type="submit" class="primary" disabled=${busy} aria-busy=${busy}>${asPair ? "Make key pair" : "Add Key"}</button>
      </footer>
    </div>
    ${offer
      ? html`<${Guide} offer=${offer} environment=${environment} addresses=${list.outbound_addresses} pair=${asPair} />`
      : html`<aside class="guide"><p>Choose an exchange to see how to create the key there, and which permissions to give it.</p></aside>`}
  </form>`;
}

/**
 * Whether a key may be added although nobody could ask the exchange.
 *
 * @param {import("../../kit/api.js").ApiProblem} problem
 */
const mayGoUnchecked = ({ code }) =>
  code === "rate_limited" || code === "unavailable";

/** @param {Key} key says what was done, and what was changed of what was pasted */
function announce(key) {
  const changes = (key.adjusted ?? []).map(({ detail }) => detail).join(" ");
  const doubt = key.verification.status === "verified" ? "" : key.state.sentence;
  done([`${key.label} was added.`, doubt, changes].filter(Boolean).join(" "));
}

/**
 * The public half of a new key pair, and where to paste it.
 *
 * @param {{ pair: import("../../../types/api").KeyPair, onOpen: () => void }} props
 */
function PublicKey({ pair, onOpen }) {
  return html`<div>
    <ol>
      <li>Copy the public key:
        <pre class="pem">${pair.public_key}</pre>
        <${Copy} text=${pair.public_key} label="Copy public key" />
      </li>
      <li>${pair.instructions}
        ${pair.portal_url && html` <a href=${pair.portal_url} target="_blank" rel="noopener noreferrer">Open the exchange's API keys ↗</a>`}
      </li>
      <li>Enter the API key that the exchange shows on this key's page. The public key stays there too.</li>
    </ol>
    <footer><button type="button" class="primary" onClick=${onOpen}>Open the key's page</button></footer>
  </div>`;
}

/** The simulated keys that may trade, in the order in which they are offered. */
const WORKING = ["trade", "trade_2", "other_account"];

/**
 * Fills the form with a key of the simulated exchanges: in development only.
 *
 * @param {{ exchange: string, environment: string, fill: (found: any) => void }} props
 */
function Simulated({ exchange, environment, fill }) {
  const choose = async () => {
    const wanted = exchange ? { exchange, environment } : { exchange: "okx", environment: "testnet" };
    const [all, keys] = await Promise.all([
      get("/development/credentials"),
      get("/v1/keys", { ...wanted, limit: 100 }),
    ]);
    const offered = WORKING.map((variant) => all[wanted.exchange][wanted.environment][variant]);
    const free = offered.find(({ api_key }) =>
      keys.items.every((/** @type {Key} */ { masked_key }) => !hides(masked_key, api_key)),
    );
    fill({ ...wanted, credentials: free ?? offered[0] });
  };
  return html`<p><button type="button" class="small" onClick=${() => choose().catch(failed)}>
    Fill in a simulated credential</button>
    <span class="help"> Development: it works with the simulated exchanges alone.</span></p>`;
}

/**
 * @param {string} mask
 * @param {string} text
 */
function hides(mask, text) {
  const [start = "", end = ""] = mask.split("…");
  return text.startsWith(start) && text.endsWith(end);
}

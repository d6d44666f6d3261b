/** @file The trading assets of a key: leverage, margin mode, enabled or not, price and volume. */

import { html, useRef, useState } from "../../kit/html.js";
import { part, patch, read, remove } from "../../kit/api.js";
import { decimal, short } from "../../kit/format.js";
import { Confirm } from "../../parts/dialog.js";
import { Switch, useSubmit } from "../../parts/form.js";
import { done, failed } from "../../parts/notice.js";
import { reasonOf } from "../../kit/reasons.js";

/** @typedef {import("../../../types/api").Asset} Asset */
/** @typedef {import("../../../types/api").ExchangeOffer} ExchangeOffer */

/** As the service reads a leverage: plain digits, at most four behind the point. */
const LEVERAGE = /^[0-9]{1,5}(\.[0-9]{1,4})?$/;

/**
 * Returns what is wrong with a leverage, or null.
 *
 * @param {string} text
 * @param {string | null} most
 */
function leverageFault(text, most) {
  if (!LEVERAGE.test(text) || Number(text) <= 0) return "Enter a number above 0, for example 10.";
  if (most !== null && Number(text) > Number(most)) {
    return `The exchange's maximum is ${most}. Enter no more than that.`;
  }
  return null;
}

/**
 * @param {{ keyId: string, assets: Asset[], offer: ExchangeOffer | undefined, editable: boolean,
 *   reload: () => Promise<void> }} props
 */
export function Assets({ keyId, assets, offer, editable, reload }) {
  return html`<ul class="assets" aria-label="Trading Assets">
    ${assets.map((asset) => html`<${AssetRow} key=${asset.symbol} ...${{ keyId, asset, offer, editable, reload }} />`)}
  </ul>`;
}

/**
 * @param {{ keyId: string, asset: Asset, offer: ExchangeOffer | undefined, editable: boolean,
 *   reload: () => Promise<void> }} props
 */
function AssetRow({ keyId, asset, offer, editable, reload }) {
  const path = `/v1/keys/${keyId}/assets/${part(asset.symbol)}`;
  const [leverage, setLeverage] = useState(/** @type {string | null} */ (null));
  const [mode, setMode] = useState(/** @type {string | null} */ (null));
  const [fault, setFault] = useState(/** @type {string | null} */ (null));
  const [removing, setRemoving] = useState(false);
  const tag = useRef(/** @type {Promise<string> | null} */ (null));

  const modes = asset.margin_modes;
  const shownMode = mode ?? asset.margin_mode;
  const settable = offer?.leverage_margin_modes.some((one) => one === shownMode) ?? asset.leverage !== null;
  const shownLeverage = leverage ?? asset.leverage ?? "";
  const held = asset.open_positions > 0;
  const dirty =
    (mode !== null && mode !== asset.margin_mode) || (settable && leverage !== null && leverage !== asset.leverage);

  /** Remembers on which version the edit is based: another tab may save in the meantime. */
  const begin = () =>
    (tag.current ??= read(path).then(({ body, tag: version }) => {
      if (body.updated_at !== asset.updated_at) void reload();
      return version;
    }));
  const reset = () => {
    tag.current = null;
    setLeverage(null);
    setMode(null);
    setFault(null);
  };
  const form = useSubmit(async () => {
    const version = await begin();
    const changed = await patch(
      path,
      {
        ...(mode !== null && mode !== asset.margin_mode ? { margin_mode: mode } : {}),
        ...(settable && shownLeverage !== asset.leverage ? { leverage: shownLeverage } : {}),
      },
      { headers: { "If-Match": version } },
    ).catch(async (error) => {
      if (error.status === 412) {
        reset();
        await reload();
      }
      throw error;
    });
    reset();
    await reload();
    return changed;
  });
  const save = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const wrong = settable ? leverageFault(shownLeverage, asset.max_leverage) : null;
    setFault(wrong);
    if (wrong) return;
    const changed = await form.submit(event);
    if (!changed) return;
    const also = changed.also_changed?.length ?? 0;
    done(`${asset.symbol} was saved.${also ? ` The margin mode of ${also} other assets changed with it.` : ""}`);
  };
  const enable = (/** @type {boolean} */ enabled) => {
    tag.current = null; // our own change
    return patch(path, { enabled }).then(reload, failed);
  };

  const id = `asset-${asset.symbol.replace(/[^\w-]/g, "_")}`;
  const error = fault ?? form.problem?.message ?? null;
  return html`<li class="asset">
    <div class="what">
      <${Switch} label="${asset.symbol} is enabled" hideLabel checked=${asset.enabled} disabled=${!editable} onChange=${enable} />
      <div class="named"><strong>${asset.symbol}</strong>
        <span class="faint">${asset.base && `${asset.base}/${asset.quote}`}</span>
        ${held && html` <span class="badge warning">${asset.open_positions} open</span>`}</div>
    </div>
    <form onSubmit=${save} aria-label="Settings of ${asset.symbol}" novalidate>
      ${settable
        ? html`<label for="${id}-leverage">Leverage</label>
          <input id="${id}-leverage" class="short" inputmode="decimal" autocomplete="off" maxlength="10" value=${shownLeverage}
            disabled=${!editable} aria-invalid=${error ? "true" : undefined} aria-describedby="${id}-most ${error ? `${id}-error` : ""}"
            onFocus=${begin} onInput=${(/** @type {any} */ event) => setLeverage(event.target.value.trim())} />
          <span class="faint" id="${id}-most">${asset.max_leverage === null ? "max. unknown" : `max. ${asset.max_leverage}×`}</span>`
        : html`<span class="faint">Leverage follows from position size and margin</span>`}
      ${modes.length > 1
        ? html`<label for="${id}-mode">Margin Mode</label>
          <select id="${id}-mode" value=${shownMode} disabled=${!editable || held} aria-describedby=${held ? `${id}-held` : undefined}
            onFocus=${begin} onChange=${(/** @type {any} */ event) => {
              void begin();
              setMode(event.target.value);
            }}>
            ${modes.map((one) => html`<option value=${one}>${one}</option>`)}
          </select>
          ${held && html`<span class="faint" id="${id}-held">locked while a position is open</span>`}`
        : html`<span>Margin Mode: ${asset.margin_mode}</span>`}
      ${dirty && html`<button type="submit" class="small primary" disabled=${form.busy}>Save</button>
        <button type="button" class="small" onClick=${reset} disabled=${form.busy}>Undo</button>`}
      ${error && html`<p class="problem" id="${id}-error" role="alert">${error}</p>`}
    </form>
    <div class="prices">
      <span>${decimal(asset.price)} ${asset.quote}</span>
      <span class="faint" title="${decimal(asset.volume_24h)} ${asset.quote} in 24 hours">Vol. ${short(asset.volume_24h)}</span>
    </div>
    ${editable && html`<button type="button" class="small quiet" aria-label="Remove ${asset.symbol}" onClick=${() => setRemoving(true)}>Remove</button>`}
    ${asset.blocked_by.length > 0 && html`<ul class="blocked">${asset.blocked_by.map((code) => html`<li>${reasonOf(code).sentence}</li>`)}</ul>`}
    ${removing && html`<${Confirm} title="Remove ${asset.symbol}?" action="Remove" onClose=${() => setRemoving(false)}
      onConfirm=${async () => {
        await remove(path);
        await reload();
      }}><p>The bot opens no new positions on ${asset.symbol}. Its trades and positions of the past stay.</p><//>`}
  </li>`;
}

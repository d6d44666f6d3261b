/** @file The account's time zone: it decides when a day begins. */

import { get, patch } from "../../kit/api.js";
import { html, useId, useState } from "../../kit/html.js";
import { time } from "../../kit/format.js";
import { useReloadOn, useResource } from "../../kit/resource.js";
import { account, may, timeZone } from "../../kit/session.js";
import { Field, FormProblem, useSubmit } from "../../parts/form.js";
import { done } from "../../parts/notice.js";

/** Every zone that the browser knows; it leaves UTC out. */
const ZONES = [...new Set(["UTC", ...Intl.supportedValuesOf("timeZone")])];

export function TimeZone() {
  const list = useId();
  const [zone, setZone] = useState(timeZone.value);
  const today = useResource("/v1/dashboard", (stop) => get("/v1/dashboard", {}, stop));
  useReloadOn(timeZone.value, today.reload);
  const { busy, problem, submit } = useSubmit(async () => {
    account.value = await patch("/v1/account", { timezone: zone.trim() });
    done(`Days now begin at midnight in ${timeZone.value}.`);
  });
  return html`<section class="card" aria-labelledby="zone">
    <h2 id="zone">Time zone</h2>
    <form onSubmit=${submit} class="narrow-form">
      <${FormProblem} problem=${problem} shown=${["timezone"]} />
      <${Field} label="Time zone" error=${problem?.fields.timezone}
        help="All times are shown in it, and it sets where a day begins, for example for today's P&L.">
        ${(/** @type {any} */ attributes) => html`<input ...${attributes} list=${list} value=${zone} autocomplete="off"
          spellcheck=${false} disabled=${!may("account:admin")} placeholder="Search, for example Prague"
          onInput=${(/** @type {any} */ event) => setZone(event.target.value)} />`}
      <//>
      <datalist id=${list}>${ZONES.map((name) => html`<option value=${name}></option>`)}</datalist>
      ${today.data && html`<p class="faint">Today began on ${time(today.data.today_since)} in ${today.data.timezone},
        which is ${utc(today.data.today_since)}.</p>`}
      ${may("account:admin") && html`<div class="actions"><button type="submit" class="primary" aria-busy=${busy}
        disabled=${busy || !zone.trim() || zone.trim() === timeZone.value}>Save time zone</button></div>`}
    </form>
  </section>`;
}

/** @param {string} moment */
const utc = (moment) => `${new Date(moment).toISOString().slice(0, 16).replace("T", " ")} UTC`;

/** @file Deletions and imports of the last 30 days. */

import { time } from "../../kit/format.js";
import { html, useEffect } from "../../kit/html.js";
import { useListing } from "../../kit/listing.js";
import { useReloadOn } from "../../kit/resource.js";
import { Cancel, isOver, OperationBadge, operationTitle, Progress, Receipt } from "../../parts/operation.js";
import { Failure } from "../../parts/states.js";

/** @typedef {import("../../../types/api").Operation} Operation */

const LOOK_MILLISECONDS = 2_000;

/** What an operation covers. @param {Operation} operation */
function scopeOf({ scope }) {
  const words = [];
  if (scope.scope === "all") words.push("everything");
  if (scope.environment) words.push(scope.environment === "live" ? "live data" : "testnet data");
  if (scope.key_ids) words.push(scope.key_ids.length === 1 ? "one key" : `${scope.key_ids.length} keys`);
  if (scope.before) words.push(`before ${time(scope.before)}`);
  if (scope.dry_run) words.push("a trial that stores nothing");
  return words.join(", ");
}

/** @param {{ round: number }} props `round` counts the operations that were begun on this page */
export function Operations({ round }) {
  const list = useListing("/v1/operations", {}, (event) => event.type.startsWith("operation."));
  const items = /** @type {Operation[]} */ (list.items);
  useReloadOn(round, list.reload);
  const running = items.some((one) => !isOver(one));
  useEffect(() => {
    if (!running) return;
    const timer = setTimeout(() => void list.reload(), LOOK_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [running, list.at, list.problem]);
  return html`<section class="card" aria-labelledby="operations">
    <h2 id="operations">Deletions and imports</h2>
    ${list.problem && html`<${Failure} problem=${list.problem} retry=${list.reload} stale=${list.loaded} />`}
    ${list.loaded && !items.length && html`<p class="faint">Nothing was deleted or imported in the last 30 days.</p>`}
    <ul class="entries">
      ${items.map((one) => html`<li key=${one.id}>
        <details open=${!isOver(one)}>
          <summary>${operationTitle(one)}${scopeOf(one) && html`<span class="faint">: ${scopeOf(one)}</span>`}
            ${" "}<${OperationBadge} operation=${one} /> <span class="faint">${time(one.created_at)}</span></summary>
          <${Progress} operation=${one} /><${Receipt} operation=${one} /><${Cancel} operation=${one} />
        </details>
      </li>`)}
    </ul>
    ${!list.complete && list.loaded && html`<button type="button" onClick=${list.more}>Show more</button>`}
  </section>`;
}

/** @file Buttons that save a whole list as a file. */

import { html, useEffect, useRef, useState } from "../kit/html.js";
import { download } from "../kit/download.js";
import { dayOf } from "../kit/period.js";
import { timeZone } from "../kit/session.js";
import { done, failed } from "./notice.js";

const TYPES = /** @type {const} */ ([
  ["CSV", "text/csv", ".csv"],
  ["NDJSON", "application/x-ndjson", ".ndjson"],
]);

/** @param {number} bytes */
const size = (bytes) =>
  bytes < 1e6 ? `${Math.ceil(bytes / 1e3).toLocaleString("en")} kB` : `${(bytes / 1e6).toFixed(1)} MB`;

/**
 * @param {{ path: string, query: Record<string, unknown>, name: string, disabled?: boolean }} props
 *   `name`: of the file, without date and ending
 */
export function Export({ path, query, name, disabled = false }) {
  const [bytes, setBytes] = useState(/** @type {number | null} */ (null));
  const running = useRef(/** @type {AbortController | null} */ (null));
  useEffect(() => () => running.current?.abort(), []);
  const save = async (/** @type {string} */ type, /** @type {string} */ ending) => {
    const own = (running.current = new AbortController());
    const file = `${name}-${dayOf(Date.now(), timeZone.value)}${ending}`;
    setBytes(0);
    try {
      const options = { type, name: file, stop: own.signal, onBytes: setBytes };
      if (await download(path, query, options)) done(`Saved ${file}.`);
    } catch (error) {
      failed(error);
    } finally {
      setBytes(null);
    }
  };
  if (bytes !== null) {
    return html`<span class="exporting" role="status">Exporting… ${size(bytes)}</span>
      <button type="button" onClick=${() => running.current?.abort()}>Stop</button>`;
  }
  return TYPES.map(
    ([title, type, ending]) =>
      html`<button type="button" disabled=${disabled} onClick=${() => save(type, ending)}>Export ${title}</button>`,
  );
}

/** @file Says that something takes its time, and for how long it has. */

import { html, useEffect, useState } from "../../kit/html.js";

/**
 * @param {{ busy: boolean, text: string }} props `text` follows once the request is on its way
 */
export function Progress({ busy, text }) {
  const [seconds, setSeconds] = useState(0);
  const [sent, setSent] = useState(false);
  useEffect(() => {
    setSeconds(0);
    setSent(false);
    if (!busy) return;
    const began = Date.now();
    const sending = setTimeout(() => setSent(true), 300);
    const timer = setInterval(() => setSeconds(Math.floor((Date.now() - began) / 1000)), 250);
    return () => {
      clearTimeout(sending);
      clearInterval(timer);
    };
  }, [busy]);
  // The seconds are not announced: a screen reader would speak of nothing else.
  return html`<p class="asking" role="status">
    ${busy && html`<span class="spinner" aria-hidden="true"></span>
      <span>${sent ? text : "Sending…"}</span>
      ${seconds > 0 && html`<span aria-hidden="true">${seconds} s</span>`}`}
  </p>`;
}

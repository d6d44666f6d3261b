/** @file A field that searches while it is typed in, not with every letter. */

import { html, useEffect, useId, useRef, useState } from "../kit/html.js";

const SETTLE_MILLISECONDS = 250;

/** @param {{ label: string, value: string, onSearch: (text: string) => void }} props */
export function Search({ label, value, onSearch }) {
  const id = useId();
  const [text, setText] = useState(value);
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  const typed = (/** @type {any} */ event) => {
    const wanted = event.target.value;
    setText(wanted);
    clearTimeout(timer.current);
    timer.current = window.setTimeout(() => onSearch(wanted.trim()), SETTLE_MILLISECONDS);
  };
  return html`<div class="search">
    <label for=${id}>${label}</label>
    <input id=${id} type="search" value=${text} maxlength="100" spellcheck=${false} onInput=${typed} />
  </div>`;
}

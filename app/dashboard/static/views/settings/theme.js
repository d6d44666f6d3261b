/** @file Light or dark; `theme.js` at the page's head applies it. */

import { html, useState } from "../../kit/html.js";

const NAME = "botkeys-theme";
const THEMES = /** @type {const} */ ([
  ["system", "Like the system"],
  ["light", "Light"],
  ["dark", "Dark"],
]);

/** @returns {string} */
function stored() {
  try {
    return localStorage.getItem(NAME) ?? "system";
  } catch {
    return "system";
  }
}

export function Theme() {
  const [chosen, setChosen] = useState(stored);
  const choose = (/** @type {string} */ theme) => {
    if (theme === "system") localStorage.removeItem(NAME);
    else localStorage.setItem(NAME, theme);
    setChosen(theme);
    dispatchEvent(new Event(NAME));
  };
  return html`<section class="card" aria-labelledby="theme">
    <h2 id="theme">Theme</h2>
    <div class="options" role="radiogroup" aria-labelledby="theme">
      ${THEMES.map(([name, title]) => html`<label><input type="radio" name="theme" value=${name}
        checked=${chosen === name} onChange=${() => choose(name)} /> ${title}</label>`)}
    </div>
    <p class="help">This choice is kept in this browser.</p>
  </section>`;
}

/** @file The template language of every view: markup is written as html`…`, never as text. */

import htm from "../vendor/htm.js";
import { h } from "../vendor/preact.js";

/** Returns virtual nodes for a template; text in it is always shown as text. */
export const html = /** @type {(strings: TemplateStringsArray, ...values: unknown[]) => any} */ (
  htm.bind(h)
);

export { render } from "../vendor/preact.js";
export { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "../vendor/hooks.js";
export { batch, computed, effect, signal, useComputed, useSignal } from "../vendor/signals.js";

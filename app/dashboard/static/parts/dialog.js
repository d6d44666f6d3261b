/** @file Dialogs on the browser's own element: focus stays inside, Escape closes. */

import { html, useEffect, useId, useRef, useState } from "../kit/html.js";
import { ApiProblem } from "../kit/api.js";

/**
 * A modal dialog, open for as long as it is rendered.
 *
 * @param {{ title: string, onClose: () => void, children?: any, wide?: boolean, busy?: boolean }} props
 *   While `busy`, Escape does not close it.
 */
export function Dialog({ title, onClose, children, wide = false, busy = false }) {
  const element = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const id = useId();
  const gone = useRef(false);
  useEffect(() => {
    const before = document.activeElement;
    const dialog = element.current;
    dialog?.showModal();
    return () => {
      gone.current = true;
      dialog?.close(); // while it is open, nothing outside can have the focus
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  const cancel = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!busy) onClose();
  };
  // A second Escape closes the element whatever the first one's listener wanted.
  const closed = () => {
    if (gone.current) return;
    if (busy) element.current?.showModal();
    else onClose();
  };
  return html`<dialog ref=${element} class=${wide ? "wide" : ""} aria-labelledby=${id}
    onCancel=${cancel} onClose=${closed}>
    <header>
      <h2 id=${id}>${title}</h2>
      <button type="button" class="quiet" aria-label="Close" disabled=${busy} onClick=${onClose}>×</button>
    </header>
    ${children}
  </dialog>`;
}

/**
 * A question with one action, which is done before the dialog closes.
 *
 * @param {{ title: string, action: string, danger?: boolean, children?: any, disabled?: boolean,
 *   onConfirm: () => Promise<unknown>, onClose: () => void }} props
 */
export function Confirm({ title, action, danger = false, children, disabled = false, onConfirm, onClose }) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState(/** @type {string | null} */ (null));
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      await onConfirm();
      onClose();
    } catch (error) {
      setProblem(error instanceof ApiProblem ? error.message : String(error));
      setBusy(false);
    }
  };
  return html`<${Dialog} title=${title} onClose=${onClose} busy=${busy}>
    <form onSubmit=${submit}>
      ${children}
      ${problem && html`<p class="problem" role="alert">${problem}</p>`}
      <footer>
        <button type="button" onClick=${onClose} disabled=${busy}>Cancel</button>
        <button type="submit" class=${danger ? "danger" : "primary"} disabled=${busy || disabled} aria-busy=${busy}>
          ${action}
        </button>
      </footer>
    </form>
  <//>`;
}

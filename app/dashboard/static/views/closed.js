/** @file The account is being closed, and then it is: the only thing that is shown. */

import { call, get } from "../kit/api.js";
import { closing } from "../kit/closing.js";
import { html, useEffect, useState } from "../kit/html.js";
import { Progress, Receipt } from "../parts/operation.js";

const LOOK_MILLISECONDS = 1_000;

/** @typedef {import("../../types/api").Operation} Operation */

export function Closed() {
  const id = closing.value;
  const [operation, setOperation] = useState(/** @type {Operation | null} */ (null));
  const [over, setOver] = useState(false);
  useEffect(() => {
    let timer = 0;
    const look = async () => {
      try {
        const found = await get(`/v1/operations/${id}`);
        setOperation(found);
        if (found.status === "succeeded") return end();
      } catch (error) {
        // The account is gone, and with it every session.
        if (/** @type {any} */ (error).status === 401) return end();
      }
      timer = window.setTimeout(look, LOOK_MILLISECONDS);
    };
    const end = () => {
      setOver(true);
      void call("POST", "/auth/logout").catch(() => {});
    };
    void look();
    return () => clearTimeout(timer);
  }, [id]);
  return html`<main class="sign-in">
    <h1>${over ? "Your account is closed" : "Your account is being closed"}</h1>
    <p>${over
      ? "Everything in it was deleted, and you are signed out. Revoke your API keys at the exchanges too."
      : "Keys, credentials, bots and their tokens are deleted already. The rest follows; you may close this page."}</p>
    ${operation && html`<${Progress} operation=${operation} /><${Receipt} operation=${operation} />`}
    ${over && html`<a class="button" href="/sign-in" target="_self">To the sign-in page</a>`}
  </main>`;
}

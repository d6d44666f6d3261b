/** @file The closing of the account, once it was asked for: nothing else is shown from then on. */

import { signal } from "../vendor/signals.js";

/** The operation's id; null while the account is open. */
export const closing = signal(/** @type {string | null} */ (null));

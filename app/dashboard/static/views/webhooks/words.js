/** @file What webhooks and deliveries are called. */

import { html } from "../../kit/html.js";

/** @typedef {import("../../../types/api").Webhook} Webhook */

/** @type {Record<string, string>} */
export const FORMATS = { standard: "JSON, signed", slack: "Slack", discord: "Discord", ntfy: "ntfy" };

/** @type {Record<string, string>} what to enter as address, by format */
export const ADDRESSES = {
  standard: "The https address of a program that takes webhooks.",
  slack: "The address that Slack shows for an incoming webhook. Whoever has it can write to the channel.",
  discord: "The address that Discord shows for a channel's webhook. Whoever has it can write to the channel.",
  ntfy: "The address of a topic, such as https://ntfy.sh/a-long-random-topic. Whoever knows it can read along.",
};

/** @type {Record<string, string>} */
const STATUS_TONES = { pending: "plain", delivered: "good", failed: "bad", cancelled: "plain" };

/** @type {Record<string, string>} why an attempt failed, by the word that the service has for it */
export const ERRORS = {
  address_refused: "The address leads into a private network, which is not called.",
  name_not_resolved: "The host's name leads to no address.",
  connection_failed: "No connection could be made, or it broke off.",
  certificate_rejected: "The receiver's certificate is not valid for this host.",
  tls_failed: "No encrypted connection could be agreed on.",
  timed_out: "The receiver took too long.",
  answer_invalid: "The receiver's answer was not valid HTTP.",
  redirected: "The receiver redirected elsewhere; redirects are not followed.",
  unexpected_status: "The receiver did not answer with a status of success.",
  address_unreadable: "The service has lost the key to the address. Enter the address again.",
  internal_error: "The service failed to make the message.",
};

/** Whether an event changes what is shown of webhooks. @param {{ type: string }} event */
export const concerns = (event) => event.type.startsWith("webhook.");

/** The part of an address that is no secret. @param {string | null} url null if the service lost its key */
export function hostOf(url) {
  if (url === null) return "Unreadable address";
  return URL.canParse(url) ? new URL(url).host : url;
}

/** @param {{ webhook: Webhook }} props */
export function WebhookBadge({ webhook }) {
  if (webhook.disabled) return html`<span class="badge bad">disabled</span>`;
  if (!webhook.active) return html`<span class="badge plain">inactive</span>`;
  if (webhook.failing_since) return html`<span class="badge warning">failing</span>`;
  return html`<span class="badge good">active</span>`;
}

/** @param {{ status: string }} props */
export const DeliveryBadge = ({ status }) => html`<span class="badge ${STATUS_TONES[status] ?? "plain"}">${status}</span>`;

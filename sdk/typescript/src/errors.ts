/**
 * What can go wrong between a bot and its credentials. No message holds a secret.
 *
 * BotClientError           with `code`
 * ├── InsecureAddress      insecure_address: http:// to a host that is not this machine
 * ├── MalformedToken       malformed_token: not a bot's token, or mistyped
 * ├── Unreachable          unreachable: the service did not answer
 * ├── MalformedAnswer      malformed_answer: this client does not understand the answer
 * ├── WrongKey             wrong_key: for another account, bot, key, exchange or environment
 * ├── OlderVersion         older_version: credentials that have been replaced since
 * ├── CannotOpen           cannot_open: altered in transit, or sealed to another recipient
 * ├── Forgotten            forgotten: dropped before this use
 * ├── ReportsPending       reports_pending: `count` reports have not reached the service yet
 * ├── TooManyReports       too_many_reports: the queue of unsent reports is full
 * ├── NotRecordable        not_recordable: cannot be written as JSON, or too long
 * ├── NotReserved          not_reserved: the answer does not permit sending an order
 * ├── ReportsRefused       reports_refused: the service refused records for good, see `refusals`
 * └── Refused              the service's own `code`, with `status`, `detail`, `requestId`
 *     ├── NotAuthenticated     401
 *     ├── Forbidden            403
 *     ├── NoKey                no_key
 *     ├── KeyInactive          key_inactive
 *     ├── MayNotOpen           409 to an opening, with all `reasons`
 *     ├── RateLimited          429, with `retryAfter`
 *     └── ServiceUnavailable   503, with `retryAfter`
 */

import type { ProblemCode } from "./api.js";

/** The base of all errors of this package: `code` is for programs, the message for people. */
export class BotClientError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
    this.name = new.target.name;
  }
}

export class InsecureAddress extends BotClientError {
  constructor(message: string) {
    super("insecure_address", message);
  }
}

export class MalformedToken extends BotClientError {
  constructor() {
    super("malformed_token", "This is not a bot's token (bkb_ and 92 characters). Copy it again.");
  }
}

/** No answer. `retryable`: whether the same call may succeed later. */
export class Unreachable extends BotClientError {
  readonly retryable: boolean;

  constructor(cause: string, retryable: boolean) {
    super("unreachable", `The service did not respond: ${cause}.`);
    this.retryable = retryable;
  }
}

export class MalformedAnswer extends BotClientError {
  constructor(message: string) {
    super("malformed_answer", message);
  }
}

/** A mismatch in `field`; `expected` and `received` are ids or names, never secrets. */
export class WrongKey extends BotClientError {
  readonly field: string;
  readonly expected: string;
  readonly received: string;

  constructor(field: string, expected: string, received: string) {
    super("wrong_key", `The response is for ${field} ${received}, but this bot expects ${expected}.`);
    this.field = field;
    this.expected = expected;
    this.received = received;
  }
}

export class OlderVersion extends BotClientError {
  readonly seen: number;
  readonly received: number;

  constructor(seen: number, received: number) {
    super(
      "older_version",
      `The service returned version ${received} of the credentials after version ${seen}.`,
    );
    this.seen = seen;
    this.received = received;
  }
}

export class CannotOpen extends BotClientError {
  constructor() {
    super(
      "cannot_open",
      "The credentials do not open: altered in transit, or not for this bot.",
    );
  }
}

export class Forgotten extends BotClientError {
  constructor() {
    super("forgotten", "These credentials were discarded. Fetch them again.");
  }
}

/** Unsent reports. They are not lost: delivery continues, or resumes with the next `flush`. */
export class ReportsPending extends BotClientError {
  readonly count: number;

  constructor(count: number) {
    super("reports_pending", `${count} reports have not reached the service yet.`);
    this.count = count;
  }
}

/** A full queue: this report was not taken, and no queued one was dropped. */
export class TooManyReports extends BotClientError {
  constructor(waiting: number) {
    super("too_many_reports", `${waiting} reports are already waiting for the service.`);
  }
}

export class NotRecordable extends BotClientError {
  constructor(message: string) {
    super("not_recordable", message);
  }
}

/**
 * A position that is already open, closed or expired, usually because its id was used before.
 * `status` is the position's. Do not send the order.
 */
export class NotReserved extends BotClientError {
  readonly positionId: string;
  readonly status: string;

  constructor(positionId: string, status: string) {
    super("not_reserved", `Position ${positionId} is ${status}: no order may be sent for it.`);
    this.positionId = positionId;
    this.status = status;
  }
}

/** One refused record: its `kind` (trades, …), the bot's own `id`, the service's `code`. */
export interface Refusal {
  readonly kind: string;
  readonly id: string;
  readonly code: string;
}

/** Records refused for good: the last 100 at most. None is sent again. */
export class ReportsRefused extends BotClientError {
  readonly refusals: readonly Refusal[];

  constructor(refusals: readonly Refusal[]) {
    const first = refusals.slice(0, 3).map((each) => `${each.kind} ${each.id}: ${each.code}`);
    super(
      "reports_refused",
      `The service refused ${refusals.length} records (${first.join(", ")}).`,
    );
    this.refusals = refusals;
  }
}

/** What a problem document of the service holds, made safe to log. */
export interface RefusedMembers {
  readonly status: number;
  readonly code: ProblemCode;
  readonly detail: string;
  readonly requestId: string;
  /** In seconds; `null` if the service gave no time. */
  readonly retryAfter: number | null;
}

/** A problem document from the service; `detail` is a sentence that is safe to show. */
export class Refused extends BotClientError {
  readonly status: number;
  readonly detail: string;
  readonly requestId: string;
  readonly retryAfter: number | null;

  constructor(members: RefusedMembers) {
    super(members.code, `${members.status} ${members.code}: ${members.detail}`);
    this.status = members.status;
    this.detail = members.detail;
    this.requestId = members.requestId;
    this.retryAfter = members.retryAfter;
  }
}

export class NotAuthenticated extends Refused {}

export class Forbidden extends Refused {}

export class NoKey extends Refused {}

export class KeyInactive extends Refused {}

/** No new position: all `reasons` in the service's order, the first of them as `code`. */
export class MayNotOpen extends Refused {
  readonly reasons: readonly string[];

  constructor(members: RefusedMembers, reasons: readonly string[]) {
    super(members);
    this.reasons = reasons;
  }
}

export class RateLimited extends Refused {}

export class ServiceUnavailable extends Refused {}

const BY_CODE: Readonly<Record<string, typeof Refused>> = {
  no_key: NoKey,
  key_inactive: KeyInactive,
};
const BY_STATUS: Readonly<Record<number, typeof Refused>> = {
  401: NotAuthenticated,
  403: Forbidden,
  429: RateLimited,
  503: ServiceUnavailable,
};

/** Return the error for an answer; its code takes precedence over its status. */
export function refusedError(members: RefusedMembers): Refused {
  const found = Object.hasOwn(BY_CODE, members.code)
    ? BY_CODE[members.code]
    : BY_STATUS[members.status];
  return new (found ?? Refused)(members);
}

const LATER = new Set([401, 408, 425, 429]);

/** Return whether sending the same report again can never succeed. */
export function isFinal(error: unknown): error is Refused {
  return error instanceof Refused && error.status < 500 && !LATER.has(error.status);
}

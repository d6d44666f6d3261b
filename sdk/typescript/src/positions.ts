/** Reports of positions on their way to the service: in order, through outages, bounded. */

import { parsePosition, parsePositions, refusal } from "./answers.js";
import type { DataKey, DecimalText, MarginMode, Position, PositionReport } from "./api.js";
import type { Connection } from "./connection.js";
import { decimal } from "./decimals.js";
import { Delivery } from "./delivery.js";
import { isFinal, MalformedAnswer, TooManyReports, type Refused } from "./errors.js";
import { Flag, retryThroughOutages, type Pace } from "./timing.js";

const OK = 200;
const PAGE = 200;
const MAX_REFUSALS = 100;
const MAX_REPORTS = 1000;
const NUMBERS = ["quantity", "entry_price", "exit_price", "leverage", "fees"] as const;

/** The members of a position that its bot reports. A stored `Position` has them all. */
export interface BotPosition {
  readonly id: string;
  readonly symbol: string;
  readonly side: Position["side"];
  readonly status: Position["status"];
  readonly quantity: DecimalText;
  readonly entry_price?: DecimalText | null;
  readonly exit_price?: DecimalText | null;
  readonly leverage?: DecimalText | null;
  readonly margin_mode?: MarginMode | null;
  readonly fees?: DecimalText | null;
  readonly opened_at?: string | null;
  readonly closed_at?: string | null;
  /** The key of its first report. */
  readonly key?: DataKey | null;
}

interface Report {
  readonly position: BotPosition;
  readonly revision: number;
}

/** A position's revisions: taken from the clock, so that they also grow across restarts. */
export class RevisionCounter {
  readonly #last = new Map<string, number>();

  next(positionId: string): number {
    const revision = Math.max(Date.now(), (this.#last.get(positionId) ?? 0) + 1);
    this.#last.set(positionId, revision);
    return revision;
  }

  raiseTo(positionId: string, revision: number): void {
    this.#last.set(positionId, Math.max(revision, this.#last.get(positionId) ?? 0));
  }

  forget(positionId: string): void {
    this.#last.delete(positionId);
  }
}

/**
 * Reports wait here until the service has taken or refused them; see `raiseRefused`.
 *
 * A position's newer report replaces its last waiting one of the same status. So the queue is
 * bounded by the number of positions however long an outage lasts, and by 1,000 reports.
 */
export class PositionOutbox {
  readonly #connection: Connection;
  readonly #pace: Pace;
  readonly #revisions: RevisionCounter;
  readonly #warn: (message: string) => void;
  readonly #waiting: Report[] = [];
  readonly #refused: Refused[] = [];
  readonly #added = new Flag();
  readonly #delivery = new Delivery();
  readonly #readers = new Set<Map<string, BotPosition>>();
  #inFlight: Report | null = null;

  constructor(
    connection: Connection,
    pace: Pace,
    revisions: RevisionCounter,
    warn: (message: string) => void,
  ) {
    this.#connection = connection;
    this.#pace = pace;
    this.#revisions = revisions;
    this.#warn = warn;
  }

  get count(): number {
    return this.#waiting.length;
  }

  /** Queue a report. Throws TooManyReports, and then leaves the queue as it was. */
  put(position: BotPosition): void {
    checkNumbers(position);
    const place = this.#replacedBy(position);
    if (place === null && this.#waiting.length >= MAX_REPORTS) {
      throw new TooManyReports(MAX_REPORTS);
    }
    // A copy: what the bot changes in its own object afterwards was not reported.
    const report = { position: { ...position }, revision: this.#revisions.next(position.id) };
    if (place === null) {
      this.#waiting.push(report);
    } else {
      this.#waiting[place] = report;
    }
    for (const newer of this.#readers) {
      newer.set(position.id, position);
    }
    this.#added.set();
  }

  /**
   * Return what the bot holds by the service's list and, over it, by reports of this process that
   * the list may not contain yet. Later reports have higher revisions than those stored.
   */
  async held(): Promise<BotPosition[]> {
    const newer = new Map(this.#waiting.map(({ position }) => [position.id, position]));
    this.#readers.add(newer);
    let stored: Map<string, Position>;
    try {
      stored = await readHeld(this.#connection);
    } finally {
      this.#readers.delete(newer);
    }
    const held = new Map<string, BotPosition>(stored);
    for (const { id, revision } of stored.values()) {
      this.#revisions.raiseTo(id, revision ?? 0);
    }
    for (const [id, position] of newer) {
      const key = stored.get(id)?.key ?? position.key;
      held.set(id, key ? { ...position, key } : position);
    }
    return [...held.values()].filter(({ status }) => status !== "closed");
  }

  /** Return the index of the waiting report that the new one makes unnecessary, if any. */
  #replacedBy(position: BotPosition): number | null {
    const place = this.#waiting.findLastIndex(({ position: { id } }) => id === position.id);
    const last = this.#waiting[place];
    const same = last?.position.status === position.status && last !== this.#inFlight;
    return same ? place : null;
  }

  /** Deliver until the token is refused. */
  async run(signal: AbortSignal): Promise<never> {
    for (;;) {
      await this.#added.wait(signal);
      await this.deliver(signal);
    }
  }

  /** Throw the Refused of the oldest report refused for good; each is thrown once. */
  raiseRefused(): void {
    const refused = this.#refused.shift();
    if (refused !== undefined) {
      throw refused;
    }
  }

  /** Send until the queue is empty. Throws NotAuthenticated. */
  async deliver(signal: AbortSignal): Promise<void> {
    await this.#delivery.run(
      () => this.#waiting.length === 0,
      (own) => this.#drain(own),
      signal,
    );
  }

  async #drain(signal: AbortSignal): Promise<void> {
    for (let report = this.#waiting[0]; report !== undefined; report = this.#waiting[0]) {
      this.#inFlight = report;
      try {
        await this.#sendOne(report, signal);
        // Before anything else can run: a newer report must not take the place of one that was sent.
        this.#waiting.shift();
      } finally {
        this.#inFlight = null;
      }
      const { id, status } = report.position;
      if (status === "closed" && !this.#waiting.some(({ position }) => position.id === id)) {
        this.#revisions.forget(id);
      }
    }
    this.#added.clear();
  }

  async #sendOne(report: Report, signal: AbortSignal): Promise<void> {
    try {
      await retryThroughOutages(() => this.#send(report, signal), this.#pace, signal, isFinal);
    } catch (error) {
      if (!isFinal(error)) {
        throw error;
      }
      this.#warn(`report of position ${report.position.id} refused: ${error.code}`);
      this.#refused.push(error);
      if (this.#refused.length > MAX_REFUSALS) {
        this.#refused.shift();
      }
    }
  }

  async #send({ position, revision }: Report, signal: AbortSignal): Promise<void> {
    const stored = await putPosition(this.#connection, position, revision, signal);
    const known = stored.revision ?? revision;
    if (known > revision) {
      // The clock was set back since an earlier run of this bot. This report is still newer.
      this.#revisions.raiseTo(position.id, known);
      const next = this.#revisions.next(position.id);
      await putPosition(this.#connection, position, next, signal);
    }
  }
}

/** Return the position as stored. Repeating the call changes nothing. */
export async function putPosition(
  connection: Connection,
  position: BotPosition,
  revision: number,
  signal?: AbortSignal,
): Promise<Position> {
  checkNumbers(position);
  const body: PositionReport = {
    key_id: position.key?.id ?? null,
    revision,
    symbol: position.symbol,
    side: position.side,
    status: position.status,
    quantity: position.quantity,
    entry_price: position.entry_price ?? null,
    exit_price: position.exit_price ?? null,
    leverage: position.leverage ?? null,
    margin_mode: position.margin_mode ?? null,
    fees: position.fees ?? null,
    opened_at: position.opened_at ?? null,
    closed_at: position.closed_at ?? null,
  };
  const given = Object.entries(body).filter(([, value]) => value !== null);
  const answer = await connection.call(
    "PUT",
    `/v1/runtime/positions/${encodeURIComponent(position.id)}`,
    { body: Object.fromEntries(given), safe: true, signal },
  );
  if (answer.status !== OK) {
    throw refusal(answer);
  }
  return parsePosition(answer.text);
}

/** Return by id what the service has as held by the bot, from all pages of its list. */
async function readHeld(connection: Connection): Promise<Map<string, Position>> {
  const found = new Map<string, Position>();
  const cursors = new Set<string>();
  const path = `/v1/runtime/positions?limit=${PAGE}`;
  for (let address = path; ; ) {
    const answer = await connection.call("GET", address);
    if (answer.status !== OK) {
      throw refusal(answer);
    }
    const page = parsePositions(answer.text);
    for (const position of page.items) {
      found.set(position.id, position);
    }
    const cursor = page.next_cursor;
    if (cursor === null) {
      return found;
    }
    if (cursors.has(cursor)) {
      throw new MalformedAnswer("The service's list of positions does not end.");
    }
    cursors.add(cursor);
    address = `${path}&cursor=${encodeURIComponent(cursor)}`;
  }
}

function checkNumbers(position: BotPosition): void {
  for (const name of NUMBERS) {
    const value = position[name] ?? null;
    if (value !== null || name === "quantity") {
      decimal(value as DecimalText, name);
    }
  }
}

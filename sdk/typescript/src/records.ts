/** A queue of records: sent in batches, kept until each has a verdict. */

import { randomBytes } from "node:crypto";

import { parseVerdicts, refusal } from "./answers.js";
import type { BatchVerdicts } from "./api.js";
import type { Connection } from "./connection.js";
import { Delivery } from "./delivery.js";
import {
  isFinal,
  NotRecordable,
  ReportsRefused,
  TooManyReports,
  type Refusal,
} from "./errors.js";
import { Flag, jittered, retryThroughOutages, sleep, type Pace } from "./timing.js";

/** The kinds of records in the order of delivery, each the last part of its route. */
export const KINDS = ["trades", "funding", "events", "equity-snapshots", "signals"] as const;
export type Kind = (typeof KINDS)[number];

const MAX_ITEM_BYTES = 64 * 1024;
const BATCH_ITEMS = 1000;
const BATCH_BYTES = 1024 * 1024;
/** Memory for each kind, so that a flood of signals in an outage leaves room for trades. */
const MAX_BYTES = 8 * 1024 * 1024;
const OVERHEAD = 200;
const OK = 200;
const OF_THE_BODY = new Set([400, 413, 422]);
const MAX_REFUSALS = 100;

type Verdict = Pick<BatchVerdicts["results"][number], "status" | "pnl_unknown"> & {
  readonly code?: string | null;
};

/** One record. `text` is JSON made at once: later changes to the caller's data do not count. */
export interface Item {
  readonly id: string;
  readonly keyId: string | null;
  readonly text: string;
  readonly size: number;
}

/** Return the item, without members that are not given. Throws NotRecordable, quoting nothing. */
export function makeItem(id: string, keyId: string | null, members: object): Item {
  const given = Object.entries(members).filter(([, value]) => (value ?? null) !== null);
  let text: string;
  try {
    text = JSON.stringify({ id, ...Object.fromEntries(given) });
  } catch {
    throw new NotRecordable("The record cannot be written as JSON.");
  }
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_ITEM_BYTES) {
    throw new NotRecordable(`The record is longer than ${MAX_ITEM_BYTES} bytes.`);
  }
  return { id, keyId, text, size: bytes + OVERHEAD };
}

/** Return a new id (a UUID of version 7, which grows with time). */
export function newId(): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x70, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** The items of one kind, oldest first. */
class Waiting {
  readonly items: Item[] = [];
  size = 0;

  add(item: Item): void {
    this.items.push(item);
    this.size += item.size;
  }

  /** Return the oldest items that share a key: records after a swap start another batch. */
  batch(): Item[] {
    const taken: Item[] = [];
    let size = 0;
    for (const item of this.items) {
      size += item.size;
      const full = taken.length === BATCH_ITEMS || (taken.length > 0 && size > BATCH_BYTES);
      if (full || item.keyId !== this.items[0]?.keyId) {
        break;
      }
      taken.push(item);
    }
    return taken;
  }

  drop(count: number): void {
    for (const item of this.items.splice(0, count)) {
      this.size -= item.size;
    }
  }
}

/**
 * Items wait here until the service has stored or refused them; see `raiseRefused`.
 *
 * A batch whose answer was lost is sent again: the service recognizes items by their ids.
 */
export class RecordQueue {
  readonly #connection: Connection;
  readonly #pace: Pace;
  readonly #warn: (message: string) => void;
  readonly #waiting = new Map<Kind, Waiting>(KINDS.map((kind) => [kind, new Waiting()]));
  readonly #added = new Flag();
  readonly #batchFull = new Flag();
  readonly #delivery = new Delivery();
  #refused: Refusal[] = [];

  constructor(connection: Connection, pace: Pace, warn: (message: string) => void) {
    this.#connection = connection;
    this.#pace = pace;
    this.#warn = warn;
  }

  get count(): number {
    return [...this.#waiting.values()].reduce((sum, { items }) => sum + items.length, 0);
  }

  /** Queue an item. Throws TooManyReports, and then leaves the queue as it was. */
  put(kind: Kind, item: Item): void {
    const waiting = this.#waiting.get(kind) ?? new Waiting();
    if (waiting.size + item.size > MAX_BYTES) {
      throw new TooManyReports(waiting.items.length);
    }
    waiting.add(item);
    this.#added.set();
    if (waiting.items.length >= BATCH_ITEMS) {
      this.#batchFull.set();
    }
  }

  /** Deliver until the token is refused: a batch once it is full, or after some seconds. */
  async run(signal: AbortSignal): Promise<never> {
    for (;;) {
      await this.#added.wait(signal);
      await this.#batchFull.waitAtMost(jittered(this.#pace.records), signal);
      await this.deliver(signal);
    }
  }

  /** Send until the queue is empty. Throws NotAuthenticated. */
  async deliver(signal: AbortSignal): Promise<void> {
    await this.#delivery.run(
      () => this.count === 0,
      (own) => this.#drain(own),
      signal,
    );
  }

  /** Throw ReportsRefused with the refusals since the last call, if there are any. */
  raiseRefused(): void {
    if (this.#refused.length > 0) {
      const refusals = this.#refused;
      this.#refused = [];
      throw new ReportsRefused(refusals);
    }
  }

  async #drain(signal: AbortSignal): Promise<void> {
    for (;;) {
      const next = [...this.#waiting].find(([, { items }]) => items.length > 0);
      if (next === undefined) {
        break;
      }
      const [kind, waiting] = next;
      const batch = waiting.batch();
      const verdicts = await this.#verdicts(kind, batch, signal);
      for (const [index, item] of batch.entries()) {
        this.#judge(kind, item, verdicts[index]);
      }
      waiting.drop(batch.length);
    }
    this.#added.clear();
    this.#batchFull.clear();
  }

  #judge(kind: Kind, item: Item, verdict: Verdict | undefined): void {
    if (verdict?.status === "refused") {
      const code = verdict.code ?? "refused";
      this.#warn(`${kind}: ${item.id} refused: ${code}`);
      this.#refused.push({ kind, id: item.id, code });
      this.#refused = this.#refused.slice(-MAX_REFUSALS);
    } else if ((verdict?.pnl_unknown ?? null) !== null) {
      this.#warn(`${kind}: ${item.id} has no P&L: ${verdict?.pnl_unknown}`);
    }
  }

  /** Return a verdict for each item, in order; halve a refused batch to find the bad item. */
  async #verdicts(kind: Kind, batch: Item[], signal: AbortSignal): Promise<readonly Verdict[]> {
    try {
      return await retryThroughOutages(
        () => this.#send(kind, batch, signal),
        this.#pace,
        signal,
        isFinal,
      );
    } catch (error) {
      if (!isFinal(error)) {
        throw error;
      }
      if (batch.length === 1 || !OF_THE_BODY.has(error.status)) {
        return batch.map(() => ({ status: "refused", code: error.code }));
      }
    }
    await sleep(jittered(this.#pace.shortestPause), signal);
    const half = Math.floor(batch.length / 2);
    return [
      ...(await this.#verdicts(kind, batch.slice(0, half), signal)),
      ...(await this.#verdicts(kind, batch.slice(half), signal)),
    ];
  }

  async #send(kind: Kind, batch: Item[], signal: AbortSignal): Promise<BatchVerdicts["results"]> {
    const keyId = batch[0]?.keyId ?? null;
    const named = keyId === null ? "" : `"key_id":${JSON.stringify(keyId)},`;
    const answer = await this.#connection.call("POST", `/v1/runtime/${kind}`, {
      body: `{${named}"items":[${batch.map(({ text }) => text).join(",")}]}`,
      safe: true,
      signal,
    });
    if (answer.status !== OK) {
      throw refusal(answer);
    }
    return parseVerdicts(answer.text, batch.length);
  }
}

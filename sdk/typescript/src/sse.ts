/**
 * A parser of server-sent events that reads bytes as they arrive.
 *
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */

const DIGITS = /^[0-9]{1,15}$/;
const CR = 13;
const LF = 10;
const MAX_BYTES = 16 * 1024 * 1024;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

export class EventTooLarge extends Error {}

/** One event. `id` is the stream's last event id when the event was complete, or empty. */
export interface ServerSentEvent {
  readonly kind: string;
  readonly data: string;
  readonly id: string;
}

/**
 * Turns the bytes of one connection into complete events.
 *
 * `lastEventId` and `retryMs` are the stream's latest values; the id of the previous connection may
 * be passed in. An event still unfinished when the connection ends is dropped.
 */
export class EventParser {
  lastEventId: string;
  retryMs: number | null = null;
  #id: string;
  #kind = "";
  #data: string[] = [];
  #size = 0;
  #line: Buffer[] = [];
  #afterCr = false;
  #atStart = true;
  readonly #maxBytes: number;

  constructor(lastEventId = "", maxBytes = MAX_BYTES) {
    this.lastEventId = lastEventId;
    this.#id = lastEventId;
    this.#maxBytes = maxBytes;
  }

  /** Return the events that this chunk completes. Throws EventTooLarge. */
  feed(chunk: Uint8Array): ServerSentEvent[] {
    const bytes = Buffer.from(chunk);
    const events: ServerSentEvent[] = [];
    let start = 0;
    for (let at = 0; at < bytes.length; at += 1) {
      const byte = bytes[at];
      const ofPair = this.#afterCr && byte === LF;
      this.#afterCr = byte === CR;
      if (ofPair) {
        start = at + 1;
      } else if (byte === CR || byte === LF) {
        this.#grow(at - start);
        this.#line.push(bytes.subarray(start, at));
        start = at + 1;
        const event = this.#takeLine(this.#joined());
        if (event !== null) {
          events.push(event);
        }
      }
    }
    this.#grow(bytes.length - start);
    this.#line.push(bytes.subarray(start));
    return events;
  }

  #joined(): Buffer {
    const line = Buffer.concat(this.#line);
    this.#line = [];
    const marked = this.#atStart && line.subarray(0, 3).equals(BYTE_ORDER_MARK);
    this.#atStart = false;
    return marked ? line.subarray(3) : line;
  }

  #grow(size: number): void {
    this.#size += size;
    if (this.#size > this.#maxBytes) {
      throw new EventTooLarge();
    }
  }

  #takeLine(line: Buffer): ServerSentEvent | null {
    if (line.length === 0) {
      return this.#dispatch();
    }
    const text = line.toString("utf8");
    const colon = text.indexOf(":");
    const name = colon < 0 ? text : text.slice(0, colon);
    const value = colon < 0 ? "" : text.slice(colon + 1).replace(/^ /, "");
    if (name === "") {
      this.#size -= line.length; // a comment keeps the connection alive, and adds nothing
    } else if (name === "event") {
      this.#kind = value;
    } else if (name === "data") {
      this.#data.push(value);
    } else if (name === "id" && !value.includes("\0")) {
      this.#id = value;
    } else if (name === "retry" && DIGITS.test(value)) {
      this.retryMs = Number(value);
    }
    return null;
  }

  #dispatch(): ServerSentEvent | null {
    this.lastEventId = this.#id;
    const event = { kind: this.#kind || "message", data: this.#data.join("\n"), id: this.#id };
    const complete = this.#data.length > 0;
    this.#kind = "";
    this.#data = [];
    this.#size = 0;
    return complete ? event : null;
  }
}

/** The service's stream of configurations, with polling while the stream is not available. */

import { parseConfig, refusal } from "./answers.js";
import type { ConfigFeed } from "./config-feed.js";
import { causeOf, read, type Connection, type OpenStream } from "./connection.js";
import { BotClientError, MalformedAnswer, NotAuthenticated, Unreachable } from "./errors.js";
import { EventParser, EventTooLarge, type ServerSentEvent } from "./sse.js";
import { jittered, retryThroughOutages, sleep, Stopped, type Pace } from "./timing.js";

const OK = 200;
const USUAL_RETRY = 1;
const LONGEST_RETRY = 60;

export class ConfigStream {
  readonly #connection: Connection;
  readonly #feed: ConfigFeed;
  readonly #pace: Pace;
  #lastEventId = "";
  #retry = USUAL_RETRY;

  constructor(connection: Connection, feed: ConfigFeed, pace: Pace) {
    this.#connection = connection;
    this.#feed = feed;
    this.#pace = pace;
  }

  /** Follow until the token is refused; a stream that ended is opened again after a pause. */
  async run(signal: AbortSignal): Promise<never> {
    for (;;) {
      await retryThroughOutages(() => this.#streamOrPoll(signal), this.#pace, signal);
      const pause = Math.min(Math.max(this.#retry, this.#pace.shortestPause), LONGEST_RETRY);
      await sleep(jittered(pause), signal);
    }
  }

  /** Follow one stream; if it fails, poll once and throw the stream's error. */
  async #streamOrPoll(signal: AbortSignal): Promise<void> {
    try {
      await this.#readStream(signal);
      return;
    } catch (failure) {
      if (!(failure instanceof BotClientError) || failure instanceof NotAuthenticated) {
        throw failure;
      }
      try {
        await this.#feed.read(signal);
      } catch (error) {
        if (!(error instanceof BotClientError) || error instanceof NotAuthenticated) {
          throw error;
        }
        // The next attempt reads it again.
      }
      throw failure;
    }
  }

  /** Read one connection to its end. Throws if it ended before its first byte, or garbled. */
  async #readStream(signal: AbortSignal): Promise<void> {
    const headers = {
      Accept: "text/event-stream",
      ...(this.#lastEventId === "" ? {} : { "Last-Event-ID": this.#lastEventId }),
    };
    const stream = await this.#connection.stream(
      "/v1/runtime/stream",
      headers,
      this.#pace.streamIdle,
      signal,
    );
    try {
      await this.#check(stream.response);
      await this.#follow(stream, signal);
    } finally {
      stream.close();
    }
  }

  async #check(response: Response): Promise<void> {
    if (response.status !== OK) {
      const { status, headers } = response;
      const answer = { status, headers, text: await read(response) };
      this.#connection.raiseIfRevoked(answer);
      throw refusal(answer);
    }
    const [kind = ""] = (response.headers.get("content-type") ?? "").split(";");
    if (kind.trim().toLowerCase() !== "text/event-stream") {
      throw new MalformedAnswer("The service's stream is not a text/event-stream.");
    }
  }

  async #follow({ response, touch }: OpenStream, signal: AbortSignal): Promise<void> {
    const parser = new EventParser(this.#lastEventId);
    const chunks = (response.body ?? new Blob([]).stream())[Symbol.asyncIterator]();
    for (let heard = false; ; heard = true) {
      let chunk: IteratorResult<Uint8Array>;
      try {
        chunk = await chunks.next();
      } catch (error) {
        if (signal.aborted) {
          throw new Stopped();
        }
        if (!heard) {
          throw new Unreachable(causeOf(error), true);
        }
        return;
      }
      if (chunk.done) {
        if (!heard) {
          throw new MalformedAnswer("The service's stream ended without data.");
        }
        return;
      }
      touch();
      this.#take(parser, chunk.value);
    }
  }

  #take(parser: EventParser, chunk: Uint8Array): void {
    let events: ServerSentEvent[];
    try {
      events = parser.feed(chunk);
    } catch (error) {
      throw error instanceof EventTooLarge
        ? new MalformedAnswer("The service's stream sends an endless event.")
        : error;
    }
    for (const event of events) {
      if (event.kind === "config") {
        this.#feed.take(parseConfig(event.data));
      }
    }
    // Last, so that an event that was not understood is sent again.
    this.#lastEventId = parser.lastEventId;
    if (parser.retryMs !== null) {
      this.#retry = parser.retryMs / 1000;
    }
  }
}

/** Heartbeats: that the bot is alive, and what its exchange answers about the credentials. */

import { parseHeartbeat, refusal } from "./answers.js";
import type { CredentialsReport, HeartbeatAnswer } from "./api.js";
import type { ConfigFeed } from "./config-feed.js";
import type { Connection } from "./connection.js";
import { BotClientError, NotAuthenticated } from "./errors.js";
import { jittered, retryThroughOutages, sleep, type Pace } from "./timing.js";

const OK = 200;
const NOT_TAKEN = new Set([400, 409, 422]);

/** The longest interval that a service asks for, in seconds. */
const LONGEST_PAUSE = 60;

/** Return the seconds to the next heartbeat: what the service asks for, or the longer pace. */
export function pauseAfter(answer: HeartbeatAnswer, pace: Pace): number {
  return Math.max(pace.heartbeat, Math.min(answer.next_in ?? 0, LONGEST_PAUSE));
}

/** Sends heartbeats. `report` goes with each of them until the service has taken it. */
export class HeartbeatSender {
  report: CredentialsReport | null = null;
  readonly #connection: Connection;
  readonly #feed: ConfigFeed;
  readonly #pace: Pace;

  constructor(connection: Connection, feed: ConfigFeed, pace: Pace) {
    this.#connection = connection;
    this.#feed = feed;
    this.#pace = pace;
  }

  /** Send heartbeats until the token is refused. */
  async run(signal: AbortSignal): Promise<never> {
    for (;;) {
      const answer = await retryThroughOutages(() => this.send(signal), this.#pace, signal);
      if (this.#feed.newest?.version !== answer.config_version) {
        await this.#readConfiguration(signal);
      }
      await sleep(jittered(pauseAfter(answer, this.#pace)), signal);
    }
  }

  async send(signal?: AbortSignal): Promise<HeartbeatAnswer> {
    const report = this.report;
    const answer = await this.#connection.call("POST", "/v1/runtime/heartbeat", {
      body: report === null ? {} : { credentials: report },
      safe: true,
      signal,
    });
    if (answer.status !== OK) {
      if (NOT_TAKEN.has(answer.status)) {
        this.#clear(report); // the next heartbeat must not fail for it again
      }
      throw refusal(answer);
    }
    this.#clear(report);
    return parseHeartbeat(answer.text);
  }

  #clear(report: CredentialsReport | null): void {
    if (this.report === report) {
      this.report = null;
    }
  }

  async #readConfiguration(signal: AbortSignal): Promise<void> {
    try {
      await this.#feed.read(signal);
    } catch (error) {
      if (!(error instanceof BotClientError) || error instanceof NotAuthenticated) {
        throw error;
      }
      // The next heartbeat shows the difference again.
    }
  }
}

/** The newest known configuration of the bot, whichever way it arrived. */

import { parseConfig, refusal } from "./answers.js";
import type { Config } from "./api.js";
import type { Connection } from "./connection.js";

const OK = 200;
const NOT_MODIFIED = 304;

/** The newest configuration and its subscribers. `onConfig` sees each one first. */
export class ConfigFeed {
  newest: Config | null = null;
  readonly #connection: Connection;
  readonly #onConfig: (config: Config) => void;
  #etag: string | null = null;
  #taken = 0;
  #reading: Promise<unknown> = Promise.resolve();
  #waiting: (() => void)[] = [];
  #closed = false;

  constructor(connection: Connection, onConfig: (config: Config) => void) {
    this.#connection = connection;
    this.#onConfig = onConfig;
  }

  take(config: Config, etag: string | null = null): void {
    const before = this.newest;
    this.newest = config;
    this.#etag = etag;
    this.#taken += 1;
    this.#onConfig(config);
    if (before === null || before.version !== config.version) {
      this.wake();
    }
  }

  /** Fetch the configuration now, one call at a time; a 304 confirms the known one. */
  read(signal?: AbortSignal): Promise<Config> {
    const reading = this.#reading.then(() => this.#read(signal));
    this.#reading = reading.catch(() => {});
    return reading;
  }

  async #read(signal: AbortSignal | undefined): Promise<Config> {
    for (;;) {
      const taken = this.#taken;
      const known = this.newest;
      const etag = this.#etag;
      const answer = await this.#connection.call("GET", "/v1/runtime/config", {
        headers: etag === null ? {} : { "If-None-Match": etag },
        signal,
      });
      let config: Config;
      let current = etag;
      if (answer.status === NOT_MODIFIED && etag !== null && known !== null) {
        config = known;
      } else if (answer.status === OK) {
        config = parseConfig(answer.text);
        current = answer.headers.get("etag");
      } else {
        throw refusal(answer);
      }
      if (this.#taken === taken || config.version === this.newest?.version) {
        this.take(config, current);
        return config;
      }
      // The stream delivered another one meanwhile; only the service knows which is older.
    }
  }

  /** Yield the newest configuration, then each change; a slow caller skips to the newest. */
  async *changes(): AsyncGenerator<Config, void, undefined> {
    let seen: Config | null = null;
    while (!this.#closed) {
      if (this.#connection.refusedToken !== null) {
        throw this.#connection.refusedToken;
      }
      const config = this.newest;
      if (config !== null && (seen === null || config.version !== seen.version)) {
        seen = config;
        yield config;
      } else {
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
    }
  }

  /** End `changes` for all subscribers. */
  close(): void {
    this.#closed = true;
    this.wake();
  }

  /** Wake all subscribers that wait for a change. */
  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) {
      wake();
    }
  }
}

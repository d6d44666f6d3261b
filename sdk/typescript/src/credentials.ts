import { inspect } from "node:util";

import type { Environment, ExchangeEndpoints, ExchangeId, Release } from "./api.js";
import { Forgotten } from "./errors.js";
import type { OpenedCredentials } from "./sealing/unseal.js";
import type { Secret } from "./secret.js";

/**
 * A key's credentials, each to be `reveal()`ed only where a request is signed.
 *
 * Nothing shows them: not `console.log`, not JSON. `endpoints` are the base addresses for this key;
 * `null` means unknown.
 */
export class ReleasedCredentials {
  readonly releaseId: string;
  readonly botId: string;
  readonly keyId: string;
  readonly version: number;
  readonly exchange: ExchangeId;
  readonly environment: Environment;
  readonly endpoints: ExchangeEndpoints;
  #held: OpenedCredentials | null;
  #drop = (): void => {};
  readonly #dropped: Promise<void>;

  /** @internal */
  constructor(answer: Release, opened: OpenedCredentials) {
    this.releaseId = answer.release_id ?? "";
    this.botId = answer.bot_id;
    this.keyId = answer.key_id;
    this.version = answer.version;
    this.exchange = answer.exchange;
    this.environment = answer.environment;
    this.endpoints = answer.endpoints;
    this.#held = opened;
    this.#dropped = new Promise((resolve) => {
      this.#drop = resolve;
    });
  }

  get apiKey(): Secret {
    return this.#open().apiKey;
  }

  get apiSecret(): Secret {
    return this.#open().apiSecret;
  }

  /** `null` where the exchange has none. */
  get apiPassphrase(): Secret | null {
    return this.#open().apiPassphrase;
  }

  get forgotten(): boolean {
    return this.#held === null;
  }

  /** Drop the plaintext, for every holder of this object. Later uses throw Forgotten. */
  forget(): void {
    this.#held = null;
    this.#drop();
  }

  /** Wait until the plaintext is gone. */
  async dropped(): Promise<void> {
    await this.#dropped;
  }

  toString(): string {
    return `ReleasedCredentials(bot=${this.botId}, key=${this.keyId})`;
  }

  toJSON(): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return this.toString();
  }

  #open(): OpenedCredentials {
    if (this.#held === null) {
      throw new Forgotten();
    }
    return this.#held;
  }
}

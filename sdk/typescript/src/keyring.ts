/** The credentials that a bot holds: fetched, compared with what it expects, dropped. */

import { parseRelease, refusal } from "./answers.js";
import type { Config, Release, SealingSuite } from "./api.js";
import { encode } from "./base64url.js";
import type { Connection } from "./connection.js";
import { ReleasedCredentials } from "./credentials.js";
import { NoKey, OlderVersion, WrongKey } from "./errors.js";
import { OneTimeKey } from "./sealing/one-time-key.js";
import { openRelease } from "./sealing/unseal.js";
import { Flag } from "./timing.js";
import type { TokenIds } from "./token.js";

const OK = 200;

/** What the bot expects; `null` accepts any. */
export interface Expected {
  readonly keyId: string | null;
  readonly exchange: string | null;
  readonly environment: string | null;
  readonly minimumVersion: number;
}

/** Holds the credentials of one bot; `opened` is set while there are any. */
export class Keyring {
  readonly opened = new Flag();
  readonly #connection: Connection;
  readonly #ids: TokenIds;
  readonly #suite: SealingSuite;
  readonly #expected: Expected;
  readonly #newestSeen = new Map<string, number>();
  #held: ReleasedCredentials | null = null;
  #fetching: Promise<unknown> = Promise.resolve();

  constructor(connection: Connection, ids: TokenIds, suite: SealingSuite, expected: Expected) {
    this.#connection = connection;
    this.#ids = ids;
    this.#suite = suite;
    this.#expected = expected;
    if (expected.keyId !== null) {
      this.#newestSeen.set(expected.keyId, expected.minimumVersion);
    }
  }

  /** The credentials in memory now; reading them fetches nothing. */
  get held(): ReleasedCredentials | null {
    return this.#held === null || this.#held.forgotten ? null : this.#held;
  }

  /** Return the credentials in memory; fetch them, one call at a time, if there are none. */
  credentials(fresh: boolean): Promise<ReleasedCredentials> {
    const fetching = this.#fetching.then(async () => {
      if (!fresh && this.held !== null) {
        return this.held;
      }
      const released = await this.#fetch();
      this.forget();
      this.#held = released;
      this.opened.set();
      return released;
    });
    this.#fetching = fetching.catch(() => {});
    return fetching;
  }

  /** Drop credentials of a key that the bot no longer has, or of an older version of it. */
  dropOutdated(config: Config): void {
    const held = this.#held;
    const { key } = config;
    if (held !== null && (key?.id.toLowerCase() !== held.keyId || key.version > held.version)) {
      this.forget();
    }
  }

  forget(): void {
    this.#held?.forget();
    this.#held = null;
    this.opened.clear();
  }

  async #fetch(): Promise<ReleasedCredentials> {
    const oneTimeKey = OneTimeKey.generate(this.#suite);
    try {
      const answer = await this.#connection.call("POST", "/v1/runtime/credentials", {
        body: { suite: this.#suite, public_key: encode(oneTimeKey.publicKey) },
      });
      if (answer.status !== OK) {
        const refused = refusal(answer);
        if (refused instanceof NoKey) {
          this.forget();
        }
        throw refused;
      }
      const release = parseRelease(answer.text);
      this.#compare(release.answer);
      const opened = openRelease(oneTimeKey, release);
      // Only a version that opened counts as seen: a forged answer must not lock the bot out.
      this.#newestSeen.set(release.answer.key_id, release.answer.version);
      return new ReleasedCredentials(release.answer, opened);
    } finally {
      oneTimeKey.wipe();
    }
  }

  #compare(release: Release): void {
    const { keyId, exchange, environment } = this.#expected;
    const pairs: [string, string | null, string][] = [
      ["account_id", this.#ids.accountId, release.account_id],
      ["bot_id", this.#ids.botId, release.bot_id],
      ["key_id", keyId, release.key_id],
      ["exchange", exchange, release.exchange],
      ["environment", environment, release.environment],
      ["suite", this.#suite, release.suite],
    ];
    for (const [field, expected, received] of pairs) {
      if (expected !== null && expected !== received) {
        throw new WrongKey(field, expected, received);
      }
    }
    const seen = this.#newestSeen.get(release.key_id) ?? 1;
    if (release.version < seen) {
      throw new OlderVersion(seen, release.version);
    }
  }
}

/**
 * Whether the exchange still accepts the credentials, and what they permit: only the bot can check.
 *
 * The service holds no key that opens them. So the bot asks the exchange and sends the result.
 */

import type { Config, CredentialsReport } from "./api.js";
import type { ConfigFeed } from "./config-feed.js";
import type { ReleasedCredentials } from "./credentials.js";
import type { Keyring } from "./keyring.js";
import { jittered, sleep, Stopped, unlessStopped, within, type Pace } from "./timing.js";

/** What the exchange answered; the client adds which key and version it was, and when. */
export type CredentialsFinding = Omit<CredentialsReport, "key_id" | "version" | "checked_at">;

/**
 * A check of the credentials at their exchange. Return `null` if it could not be reached, or if the
 * answer proves nothing: only what the exchange answered counts. What it throws is taken for `null`.
 */
export type CredentialsCheck = (
  credentials: ReleasedCredentials,
  config: Config,
) => Promise<CredentialsFinding | null>;

/** Return the finding as the member `credentials` of a heartbeat. */
export function reportOf(
  held: ReleasedCredentials,
  finding: CredentialsFinding,
): CredentialsReport {
  return {
    ...finding,
    key_id: held.keyId,
    version: held.version,
    checked_at: new Date().toISOString(),
  };
}

/** Checks soon after credentials were opened, then daily. */
export class HealthCheck {
  readonly #keyring: Keyring;
  readonly #feed: ConfigFeed;
  readonly #pace: Pace;
  readonly #check: CredentialsCheck;
  readonly #report: (report: CredentialsReport) => void;

  constructor(
    keyring: Keyring,
    feed: ConfigFeed,
    pace: Pace,
    check: CredentialsCheck,
    report: (report: CredentialsReport) => void,
  ) {
    this.#keyring = keyring;
    this.#feed = feed;
    this.#pace = pace;
    this.#check = check;
    this.#report = report;
  }

  async run(signal: AbortSignal): Promise<never> {
    for (;;) {
      await this.#keyring.opened.wait(signal);
      await sleep(jittered(this.#pace.firstCheck), signal);
      let held = this.#keyring.held;
      while (held !== null) {
        const conclusive = await unlessStopped(this.#look(held), signal);
        await this.#waitWhileHeld(
          held,
          jittered(conclusive ? this.#pace.check : this.#pace.checkAgain),
          signal,
        );
        held = this.#keyring.held;
      }
    }
  }

  /** Return whether the check was conclusive. */
  async #look(held: ReleasedCredentials): Promise<boolean> {
    const { value: config } = await this.#feed.changes().next();
    if (!config || config.key?.id.toLowerCase() !== held.keyId) {
      return false;
    }
    let finding: CredentialsFinding | null;
    try {
      finding = await this.#check(held, config);
    } catch {
      return false;
    }
    if (finding === null || held.forgotten) {
      return false;
    }
    this.#report(reportOf(held, finding));
    return finding.status !== "unknown";
  }

  async #waitWhileHeld(
    held: ReleasedCredentials,
    seconds: number,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      await within(seconds, signal, (both) => unlessStopped(held.dropped(), both));
    } catch (error) {
      if (!(error instanceof Stopped) || signal.aborted) {
        throw error;
      }
    }
  }
}

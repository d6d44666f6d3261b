/** A bot's connection to the service. */

import { inspect } from "node:util";

import type {
  Config,
  Environment,
  ExchangeId,
  HeartbeatAnswer,
  MarginMode,
  Position,
  SealingSuite,
} from "./api.js";
import { ConfigFeed } from "./config-feed.js";
import { ConfigStream } from "./config-stream.js";
import { Connection } from "./connection.js";
import type { ReleasedCredentials } from "./credentials.js";
import { BotClientError, Forgotten, NotReserved, Refused, ReportsPending } from "./errors.js";
import {
  HealthCheck,
  reportOf,
  type CredentialsCheck,
  type CredentialsFinding,
} from "./health.js";
import { HeartbeatSender } from "./heartbeat.js";
import { Keyring } from "./keyring.js";
import { OrderReporter } from "./orders.js";
import { PositionOutbox, putPosition, RevisionCounter, type BotPosition } from "./positions.js";
import { Recorder } from "./recorder.js";
import { newId, RecordQueue } from "./records.js";
import { Secret } from "./secret.js";
import { Stopped, USUAL_PACE, within, type Pace } from "./timing.js";
import { parseToken, type TokenIds } from "./token.js";

const CLOSING_SECONDS = 5;
const SUITES: readonly string[] = ["mlkem768-x25519", "x25519"];
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** What a bot may pass to its client; all of it may be left out. */
export interface BotOptions {
  /** What the bot expects. An answer for anything else is refused. */
  readonly keyId?: string;
  readonly exchange?: ExchangeId;
  readonly environment?: Environment;
  /** With `keyId`: refuses credentials that were replaced before the bot last stopped. */
  readonly minimumVersion?: number;
  readonly suite?: SealingSuite;
  /** Accept plain `http://` to another machine, which exposes the token in transit. */
  readonly allowInsecureHttp?: boolean;
  readonly pace?: Partial<Pace>;
  /** Asks the exchange about the credentials, once a day; its answer goes with a heartbeat. */
  readonly check?: CredentialsCheck;
  /** Takes sentences about refused reports. Without it nothing is printed anywhere. */
  readonly onWarning?: (message: string) => void;
  /** Replaces the runtime's own `fetch`, for a proxy or limits of your own. */
  readonly fetch?: typeof fetch;
}

/** What a position is about to be; the key, leverage and margin mode default to the asset's. */
export interface Opening {
  readonly symbol: string;
  readonly side: Position["side"];
  readonly quantity: string;
  readonly id?: string;
  readonly leverage?: string;
  readonly margin_mode?: MarginMode;
}

/**
 * The client of one bot: credentials, configuration, positions and records.
 *
 *     const bot = new BotClient("https://botkeys.example", token, { keyId, exchange: "okx" });
 *     await bot.running(async (signal) => {
 *       const credentials = await bot.credentials();
 *       for await (const config of bot.changes()) { … }
 *     });
 *     await bot.close();
 *
 * Methods throw BotClientError, and TypeError for amounts that are not decimals as text; the
 * constructor also throws RangeError for arguments that cannot be right. Once the service refuses
 * the token, the credentials in memory are dropped, and every waiting call throws NotAuthenticated.
 */
export class BotClient extends Recorder {
  readonly #ids: TokenIds;
  readonly #connection: Connection;
  readonly #keyring: Keyring;
  readonly #feed: ConfigFeed;
  readonly #heartbeats: HeartbeatSender;
  readonly #records: RecordQueue;
  readonly #revisions = new RevisionCounter();
  readonly #orders: OrderReporter;
  readonly #positions: PositionOutbox;
  readonly #parts: readonly { run(signal: AbortSignal): Promise<never> }[];
  readonly #warn: (message: string) => void;
  #revoked = (): void => {};

  constructor(baseUrl: string, token: string | Secret, options: BotOptions = {}) {
    const pace = { ...USUAL_PACE, ...options.pace };
    const warn = options.onWarning ?? (() => {});
    const keyId = checkedKeyId(options);
    const boxed = token instanceof Secret ? token : new Secret(token);
    const connection = new Connection(baseUrl, boxed, {
      allowInsecureHttp: options.allowInsecureHttp ?? false,
      fetch: options.fetch ?? fetch,
    });
    const ids = parseToken(boxed);
    const keyring = new Keyring(connection, ids, checkedSuite(options.suite), {
      keyId,
      exchange: options.exchange ?? null,
      environment: options.environment ?? null,
      minimumVersion: options.minimumVersion ?? 1,
    });
    const feed = new ConfigFeed(connection, (config) => keyring.dropOutdated(config));
    const records = new RecordQueue(connection, pace, warn);
    super(records, () => (feed.newest === null ? keyId : (feed.newest.key?.id ?? null)));
    this.#warn = warn;
    this.#ids = ids;
    this.#connection = connection;
    this.#keyring = keyring;
    this.#feed = feed;
    this.#records = records;
    this.#heartbeats = new HeartbeatSender(connection, feed, pace);
    this.#orders = new OrderReporter(connection, pace, warn);
    this.#positions = new PositionOutbox(connection, pace, this.#revisions, warn);
    const stream = new ConfigStream(connection, feed, pace);
    this.#parts = [this.#heartbeats, stream, this.#positions, this.#orders, records];
    if (options.check !== undefined) {
      const report = (found: HeartbeatSender["report"]): void => {
        this.#heartbeats.report = found;
      };
      const health = new HealthCheck(keyring, feed, pace, options.check, report);
      this.#parts = [...this.#parts, health];
    }
    connection.onRevoked = () => {
      keyring.forget();
      feed.wake();
      this.#revoked();
    };
  }

  get accountId(): string {
    return this.#ids.accountId;
  }

  get botId(): string {
    return this.#ids.botId;
  }

  /**
   * Return the credentials in memory; fetch them if there are none, or if `fresh`.
   *
   * Each fetch uses a new key pair, is recorded, and counts towards the bot's limit of releases. It
   * drops the credentials of an earlier fetch.
   */
  async credentials(options: { fresh?: boolean } = {}): Promise<ReleasedCredentials> {
    return await this.#keyring.credentials(options.fresh ?? false);
  }

  /** Fetch the configuration now; drop credentials of a key that the bot no longer has. */
  async config(): Promise<Config> {
    return await this.#feed.read();
  }

  /** The newest configuration known; reading it calls nobody. */
  get newestConfig(): Config | null {
    return this.#feed.newest;
  }

  /**
   * Yield the configuration, then each change of it; a slow caller skips to the newest.
   *
   * Without `running`, only `config` finds changes. It ends when the client is closed.
   */
  changes(): AsyncGenerator<Config, void, undefined> {
    return this.#feed.changes();
  }

  /** Send one heartbeat: the bot counts as online for one more lease period. */
  async heartbeat(): Promise<HeartbeatAnswer> {
    return await this.#heartbeats.send();
  }

  /**
   * Report what the exchange answered about the credentials in memory, with the next heartbeats
   * until one was taken. Throws Forgotten if there are none.
   */
  reportCredentials(finding: CredentialsFinding): void {
    const { held } = this.#keyring;
    if (held === null) {
      throw new Forgotten();
    }
    this.#heartbeats.report = reportOf(held, finding);
  }

  /**
   * Send heartbeats, follow the configuration, check the credentials, deliver reports; through
   * outages, until `signal` is aborted. Throws NotAuthenticated once the token is refused.
   */
  async run(signal: AbortSignal): Promise<void> {
    const ending = new AbortController();
    const end = (): void => ending.abort();
    signal.addEventListener("abort", end, { once: true });
    if (signal.aborted) {
      end();
    }
    const parts = this.#parts.map((part) => part.run(ending.signal));
    const revoked = new Promise<never>((_, reject) => {
      this.#revoked = () => reject(this.#connection.refusedToken);
    });
    try {
      await Promise.race([...parts, revoked]);
    } catch (error) {
      if (!(error instanceof Stopped)) {
        throw error;
      }
    } finally {
      signal.removeEventListener("abort", end);
      end();
      await Promise.allSettled(parts);
      this.#revoked = () => {};
    }
  }

  /**
   * Run `run` beside the work, and return the work's result. The signal of the work is aborted, and
   * NotAuthenticated thrown at once, if the service refuses the token.
   */
  async running<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    const ending = new AbortController();
    const beside = this.run(ending.signal);
    const failed = beside.then(() => new Promise<never>(() => {}));
    failed.catch(() => {}); // also where the work throws before it returns a promise
    try {
      return await Promise.race([work(ending.signal), failed]);
    } finally {
      ending.abort();
      await Promise.allSettled([beside]);
    }
  }

  /**
   * Return what the bot holds: its open positions, and those that are `opening`.
   *
   * For a bot that was restarted: it goes on with these positions, whose later reports get higher
   * revisions than those that an earlier process sent. What this client has reported and not
   * delivered yet counts. A reservation that lapsed is not held; whether its order was filled, only
   * the exchange knows.
   */
  async positions(): Promise<BotPosition[]> {
    return await this.#positions.held();
  }

  /**
   * Ask for permission to send the order; valid for 60 s, until `expires_at` (see `renew`).
   *
   * Throws MayNotOpen with all `reasons`, and NotReserved if the order may not be sent for another
   * cause: send it only after this returned.
   */
  async openPosition(opening: Opening): Promise<Position> {
    const id = opening.id ?? newId();
    try {
      return await this.renew({ ...opening, id, status: "opening" });
    } catch (error) {
      if (opening.id === undefined && error instanceof Refused) {
        this.#revisions.forget(id); // nobody can name it again
      }
      throw error;
    }
  }

  /** Ask again for a position that is `opening`, as for a resting order. */
  async renew(position: BotPosition): Promise<Position> {
    const revision = this.#revisions.next(position.id);
    let stored = await putPosition(this.#connection, position, revision);
    const known = stored.revision ?? revision;
    if (known > revision) {
      // The clock was set back since: the service took this for an old report.
      this.#revisions.raiseTo(position.id, known);
      const next = this.#revisions.next(position.id);
      stored = await putPosition(this.#connection, position, next);
    }
    const until = stored.status === "opening" ? Date.parse(stored.expires_at ?? "") : Number.NaN;
    if (!(until > Date.now())) {
      throw new NotReserved(stored.id, stored.status);
    }
    return stored;
  }

  /**
   * Report that the position is open, permitted or not; return its new state.
   *
   * `running` and `flush` deliver reports one after the other, through outages. Throws
   * TooManyReports.
   */
  opened<Reported extends BotPosition>(
    position: Reported,
    fill: { entry_price: string; quantity?: string; fees?: string },
  ): Reported {
    const opened_at = position.opened_at ?? new Date().toISOString();
    return this.report({ ...position, ...fill, status: "open", opened_at });
  }

  /** Report that the exchange has closed it. `exit_price: null`: it was never opened. */
  closePosition<Reported extends BotPosition>(
    position: Reported,
    exit: { exit_price: string | null; fees?: string },
  ): Reported {
    const closed_at = position.closed_at ?? new Date().toISOString();
    return this.report({ ...position, ...exit, status: "closed", closed_at });
  }

  /** Report the current state of an open or closed position. Throws TooManyReports. */
  report<Reported extends BotPosition>(position: Reported): Reported {
    this.#positions.put(position);
    return position;
  }

  /**
   * Report how many orders rest at the exchange by symbol, all of the bot's.
   *
   * While orders rest, the service keeps the bot's key and the symbols' margin modes as they are.
   * `running` delivers the counts, and repeats them while any order rests.
   */
  reportOrders(counts: Readonly<Record<string, number>>): void {
    this.#orders.put(counts);
  }

  /**
   * Wait until the service has answered all reports and records; at most `seconds`.
   *
   * Throws ReportsPending if some are left. Throws each final refusal once: for a position its
   * Refused, for all records together ReportsRefused.
   */
  async flush(seconds = Number.POSITIVE_INFINITY): Promise<void> {
    try {
      await within(seconds, undefined, async (signal) => {
        await this.#positions.deliver(signal);
        await this.#records.deliver(signal);
      });
    } catch (error) {
      if (!(error instanceof Stopped)) {
        throw error;
      }
    }
    this.#positions.raiseRefused();
    this.#records.raiseRefused();
    const left = this.#positions.count + this.#records.count;
    if (left > 0) {
      throw new ReportsPending(left);
    }
  }

  /** Drop the plaintext, also in objects that `credentials` returned. */
  forget(): void {
    this.#keyring.forget();
  }

  /** Drop the plaintext and close; keep delivering for up to 5 seconds. */
  async close(): Promise<void> {
    this.#keyring.forget();
    this.#feed.close();
    if (this.#connection.refusedToken !== null) {
      return;
    }
    try {
      await this.flush(CLOSING_SECONDS);
    } catch (error) {
      if (error instanceof ReportsPending) {
        this.#warn(`closed with ${error.count} reports that have not reached the service`);
      } else if (!(error instanceof BotClientError)) {
        throw error;
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  override toString(): string {
    return `BotClient(bot=${this.botId})`;
  }

  toJSON(): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return this.toString();
  }
}

function checkedKeyId(options: BotOptions): string | null {
  const keyId = options.keyId?.toLowerCase() ?? null;
  if (keyId !== null && !UUID.test(keyId)) {
    throw new RangeError("keyId must be the id of a key, which is a UUID");
  }
  if ((options.minimumVersion ?? 1) > 1 && keyId === null) {
    throw new RangeError("minimumVersion applies to one key: pass keyId too");
  }
  return keyId;
}

function checkedSuite(suite: SealingSuite = "mlkem768-x25519"): SealingSuite {
  if (!SUITES.includes(suite)) {
    throw new RangeError(`known suites are ${SUITES.join(" and ")}`);
  }
  return suite;
}

/** Records of a bot's work: trades, funding, equity, signals and events. */

import type {
  DecimalText,
  EquitySnapshotItem,
  EventItem,
  FundingItem,
  SignalItem,
  Timestamp,
  TradeItem,
} from "./api.js";
import { decimal } from "./decimals.js";
import type { BotPosition } from "./positions.js";
import { makeItem, newId, type Kind, type RecordQueue } from "./records.js";

/** An item whose id and time the client fills in unless they are given. */
type Recorded<Item extends { id: string; at: Timestamp }> = Omit<Item, "id" | "at"> & {
  readonly id?: string;
  readonly at?: Timestamp | Date;
};

export type FundingRecord = Recorded<FundingItem>;
export type EquityRecord = Recorded<EquitySnapshotItem>;
export type SignalRecord = Recorded<SignalItem>;
export type EventRecord = Omit<Recorded<EventItem>, "level"> & {
  readonly level?: EventItem["level"];
};
/** What a trade has beside its position. */
export type TradeRecord = Pick<
  Partial<TradeItem>,
  "id" | "fees" | "exit_reason" | "contract_type" | "contract_size" | "settle"
>;

/**
 * The recording methods of a `BotClient`.
 *
 * Each method queues one record and returns its id; the service stores a record once, however often
 * it arrives. `running`, `flush` and closing the client deliver the queue, through outages. A record
 * belongs to the key that the bot has now, even if it arrives after that key was swapped. The
 * methods throw NotRecordable, and TooManyReports once a long outage has filled the queue.
 */
export class Recorder {
  readonly #records: RecordQueue;
  readonly #currentKey: () => string | null;
  #lastKey: string | null = null;

  /** @internal */
  constructor(records: RecordQueue, currentKey: () => string | null) {
    this.#records = records;
    this.#currentKey = currentKey;
  }

  /**
   * Record a round trip: a closed position with its prices and times, under its id.
   *
   * A position closed in parts is several trades: give each its own `id`, and the part as its
   * quantity. `fees` are by asset, in place of the position's: those in the settle asset lower the
   * P&L, and others, such as BNB, are figures of their own. `contract_type`, `contract_size` and
   * `settle` are for a symbol that the exchange never listed while the service knew it.
   */
  recordTrade(position: BotPosition, record: TradeRecord = {}): string {
    const fees = record.fees ?? position.fees;
    const members = {
      symbol: position.symbol,
      side: position.side,
      quantity: position.quantity,
      entry_price: position.entry_price,
      exit_price: position.exit_price,
      fees,
      leverage: position.leverage,
      margin_mode: position.margin_mode,
      position_id: position.id,
      contract_type: record.contract_type,
      contract_size: record.contract_size,
      settle: record.settle,
      opened_at: position.opened_at,
      closed_at: position.closed_at,
      exit_reason: record.exit_reason,
    };
    requireDecimals(members, "quantity", "entry_price", "exit_price");
    requireDecimals(members, "leverage", "contract_size");
    for (const fee of Array.isArray(fees) ? fees : []) {
      requireDecimals(fee, "amount");
    }
    if (!Array.isArray(fees)) {
      requireDecimals({ fees }, "fees");
    }
    return this.#record("trades", record.id ?? position.id, members, position.key?.id ?? null);
  }

  /**
   * Record a funding payment: positive if received, negative if paid.
   *
   * Give the exchange's own id of the payment as `id`, if it has one: what is recorded again after a
   * restart is then stored once.
   */
  recordFunding(record: FundingRecord): string {
    requireDecimals(record, "amount");
    return this.#recordMoment("funding", record);
  }

  /** Record what the exchange account is worth. `reset`: its test funds were claimed again. */
  recordEquity(record: EquityRecord): string {
    requireDecimals(record, "equity", "balance", "unrealised_pnl");
    return this.#recordMoment("equity-snapshots", record);
  }

  /** Record what the strategy signalled, and whether the bot acted on it. */
  recordSignal(record: SignalRecord): string {
    requireDecimals(record, "score");
    return this.#recordMoment("signals", record);
  }

  /** Record anything the bot's owner should read. It is stored as given: no secrets in it. */
  recordEvent(record: EventRecord): string {
    return this.#recordMoment("events", { level: "info", ...record });
  }

  #recordMoment(kind: Kind, record: { id?: string; at?: Timestamp | Date }): string {
    const { id, at = new Date(), ...members } = record;
    const time = at instanceof Date ? at.toISOString() : at;
    return this.#record(kind, id ?? newId(), { at: time, ...members }, null);
  }

  #record(kind: Kind, id: string, members: object, keyId: string | null): string {
    // A bot whose key was taken away still reports what it did with that key.
    this.#lastKey = this.#currentKey() ?? this.#lastKey;
    this.#records.put(kind, makeItem(id, keyId ?? this.#lastKey, members));
    return id;
  }
}

function requireDecimals<Members extends object>(
  members: Members,
  ...names: (keyof Members & string)[]
): void {
  for (const name of names) {
    const value: unknown = members[name] ?? null;
    if (value !== null) {
      decimal(value as DecimalText, name);
    }
  }
}

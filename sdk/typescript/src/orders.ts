/** The bot's count of resting orders, kept known to the service while any rests. */

import { refusal } from "./answers.js";
import type { OrderReport } from "./api.js";
import type { Connection } from "./connection.js";
import { isFinal } from "./errors.js";
import { Flag, jittered, retryThroughOutages, type Pace } from "./timing.js";

const OK = 200;

/**
 * Reports the newest counts at once, and again while orders rest: a report lapses after 5 minutes.
 * Counts that the service refuses are not sent again.
 */
export class OrderReporter {
  readonly #connection: Connection;
  readonly #pace: Pace;
  readonly #warn: (message: string) => void;
  readonly #changed = new Flag();
  #orders: OrderReport["orders"] = [];

  constructor(connection: Connection, pace: Pace, warn: (message: string) => void) {
    this.#connection = connection;
    this.#pace = pace;
    this.#warn = warn;
  }

  /** Make these the counts by symbol; symbols left out have no orders. */
  put(counts: Readonly<Record<string, number>>): void {
    this.#orders = Object.entries(counts)
      .filter(([, count]) => count > 0)
      .map(([symbol, count]) => ({ symbol, count }));
    this.#changed.set();
  }

  /** Report until the token is refused. */
  async run(signal: AbortSignal): Promise<never> {
    for (;;) {
      if (this.#orders.length > 0) {
        await this.#changed.waitAtMost(jittered(this.#pace.orders), signal);
      } else {
        await this.#changed.wait(signal);
      }
      this.#changed.clear();
      const reported = this.#orders;
      try {
        await retryThroughOutages(() => this.#send(signal), this.#pace, signal, isFinal);
      } catch (error) {
        if (!isFinal(error)) {
          throw error;
        }
        this.#warn(`resting orders were refused: ${error.message}`);
        if (this.#orders === reported) {
          this.#orders = []; // newer ones are not what was refused
        }
      }
    }
  }

  async #send(signal: AbortSignal): Promise<void> {
    const body: OrderReport = { orders: this.#orders };
    const answer = await this.#connection.call("PUT", "/v1/runtime/orders", {
      body,
      safe: true,
      signal,
    });
    if (answer.status !== OK) {
      throw refusal(answer);
    }
  }
}

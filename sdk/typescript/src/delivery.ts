import { Stopped, unlessStopped } from "./timing.js";

/**
 * One delivery of a queue at a time. A caller that comes while one is under way waits for its end, and then
 * delivers what is left; a delivery is stopped only by the signal of the caller that began it.
 */
export class Delivery {
  #underWay: Promise<void> | null = null;

  async run(
    isEmpty: () => boolean,
    drain: (signal: AbortSignal) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    while (this.#underWay !== null || !isEmpty()) {
      if (signal.aborted) {
        throw new Stopped();
      }
      if (this.#underWay === null) {
        this.#underWay = drain(signal);
        try {
          await this.#underWay;
        } finally {
          this.#underWay = null;
        }
      } else {
        await unlessStopped(
          this.#underWay.catch(() => {}),
          signal,
        );
      }
    }
  }
}

import { inspect } from "node:util";

const MASK = "Secret(…)";

/**
 * Text that nothing shows: not `String()`, not JSON, not `console.log`. The only way to it is
 * `reveal()`, so a search for that word finds every place where a secret leaves its box.
 */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    if (typeof text !== "string") {
      throw new TypeError("a Secret holds text");
    }
    this.#text = text;
    Object.freeze(this);
  }

  /** Return the text. Do not keep it: a copy outlives the credentials. */
  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return MASK;
  }

  toJSON(): string {
    return MASK;
  }

  [Symbol.toPrimitive](): string {
    return MASK;
  }

  [inspect.custom](): string {
    return MASK;
  }
}

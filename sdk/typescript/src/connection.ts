/** A connection to one service with one token: every call of a bot goes through it. */

import { refusal, type Answer } from "./answers.js";
import { InsecureAddress, NotAuthenticated, Unreachable } from "./errors.js";
import type { Secret } from "./secret.js";
import { jittered, sleep, Stopped, within } from "./timing.js";

const TOTAL_SECONDS = 15;
const ATTEMPTS = 3;
const FIRST_PAUSE = 0.05;
const MAX_BYTES = 16 * 1024 * 1024;
const UNAUTHENTICATED = 401;
const NOT_MODIFIED = 304;
const RETRYABLE = new Set([500, 502, 503, 504]);
const LOOPBACK = /^(localhost|127\.[0-9.]+|\[::1\])$/;

export interface CallOptions {
  /** A JSON text, or what will be written as one. */
  readonly body?: string | object;
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether the call may be repeated when its answer is lost; a GET may always. */
  readonly safe?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** An open stream; `touch` postpones the end that silence brings. */
export interface OpenStream {
  readonly response: Response;
  readonly touch: () => void;
  readonly close: () => void;
}

/** Calls that throw BotClientError and, once their signal is aborted, Stopped; nothing else. */
export class Connection {
  /** Called once the service refuses the token. */
  onRevoked: () => void = () => {};
  refusedToken: NotAuthenticated | null = null;
  readonly #baseUrl: string;
  readonly #token: Secret;
  readonly #fetch: typeof fetch;

  constructor(
    baseUrl: string,
    token: Secret,
    options: { allowInsecureHttp: boolean; fetch: typeof fetch },
  ) {
    this.#baseUrl = checkedAddress(baseUrl, options.allowInsecureHttp);
    this.#token = token;
    this.#fetch = options.fetch;
  }

  /** Return any answer but a 401. */
  async call(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
    const safe = options.safe ?? method === "GET";
    return await within(TOTAL_SECONDS, options.signal, async (signal) => {
      for (let attempt = 1; ; attempt += 1) {
        const last = !safe || attempt === ATTEMPTS;
        try {
          const answer = await this.#once(method, path, options, signal);
          if (last || !RETRYABLE.has(answer.status) || answer.headers.has("retry-after")) {
            return answer;
          }
        } catch (error) {
          this.#stopIfAsked(options.signal);
          if (last || !(error instanceof Unreachable) || !error.retryable || signal.aborted) {
            throw error;
          }
        }
        try {
          await sleep(jittered(FIRST_PAUSE * 2 ** (attempt - 1)), signal);
        } catch {
          this.#stopIfAsked(options.signal);
          throw new Unreachable("it took too long", true);
        }
      }
    });
  }

  /** Open a GET with an endless answer, which ends after `idleSeconds` of silence. */
  async stream(
    path: string,
    headers: Readonly<Record<string, string>>,
    idleSeconds: number,
    signal: AbortSignal,
  ): Promise<OpenStream> {
    const idle = new AbortController();
    const stop = (): void => idle.abort();
    let timer = setTimeout(stop, idleSeconds * 1000);
    signal.addEventListener("abort", stop, { once: true });
    const close = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      idle.abort();
    };
    const touch = (): void => {
      clearTimeout(timer);
      timer = setTimeout(stop, idleSeconds * 1000);
    };
    try {
      if (signal.aborted) {
        throw new Stopped();
      }
      const response = await this.#send("GET", path, { headers }, idle.signal);
      touch();
      return { response, touch, close };
    } catch (error) {
      close();
      this.#stopIfAsked(signal);
      throw error;
    }
  }

  raiseIfRevoked(answer: Answer): void {
    if (answer.status !== UNAUTHENTICATED) {
      return;
    }
    const refused = refusal(answer);
    if (refused instanceof NotAuthenticated) {
      this.refusedToken = refused;
      this.onRevoked();
    }
    throw refused;
  }

  async #once(
    method: string,
    path: string,
    options: CallOptions,
    signal: AbortSignal,
  ): Promise<Answer> {
    const response = await this.#send(method, path, options, signal);
    const answer = { status: response.status, headers: response.headers, text: await read(response) };
    this.raiseIfRevoked(answer);
    return answer;
  }

  async #send(
    method: string,
    path: string,
    options: CallOptions,
    signal: AbortSignal,
  ): Promise<Response> {
    if (this.refusedToken !== null) {
      throw this.refusedToken;
    }
    const body = typeof options.body === "object" ? JSON.stringify(options.body) : options.body;
    const headers = {
      Accept: "application/json",
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...options.headers,
      Authorization: `Bearer ${this.#token.reveal()}`,
    };
    let response: Response;
    try {
      response = await this.#fetch(this.#baseUrl + path, {
        method,
        headers,
        body: body ?? null,
        redirect: "manual",
        signal,
      });
    } catch (error) {
      // A new error without the old one as its cause: that may hold the request with its token.
      throw new Unreachable(signal.aborted ? "it took too long" : causeOf(error), true);
    }
    const redirected = response.status >= 300 && response.status < 400;
    if (response.type === "opaqueredirect" || (redirected && response.status !== NOT_MODIFIED)) {
      await response.body?.cancel();
      throw new Unreachable("it redirected the call to another address", false);
    }
    return response;
  }

  #stopIfAsked(signal: AbortSignal | undefined): void {
    if (signal?.aborted) {
      throw new Stopped();
    }
  }
}

/** Return the whole body as text. Throws Unreachable if it is cut off, or endless. */
export async function read(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of response.body ?? []) {
      size += (chunk as Uint8Array).length;
      if (size > MAX_BYTES) {
        break;
      }
      chunks.push(chunk as Uint8Array);
    }
  } catch (error) {
    throw new Unreachable(causeOf(error), true);
  }
  if (size > MAX_BYTES) {
    throw new Unreachable("its answer is too large", false);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Return the operating system's word for a failed call, such as ECONNREFUSED; never an address. */
export function causeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  return typeof code === "string" && /^[A-Z_]{1,40}$/.test(code) ? code : "the call failed";
}

function checkedAddress(baseUrl: string, allowInsecureHttp: boolean): string {
  if (!URL.canParse(baseUrl) || !/^https?:\/\//i.test(baseUrl)) {
    throw new InsecureAddress("The service's address must begin with https:// and name a host.");
  }
  const url = new URL(baseUrl);
  if (url.username || url.password || /[?#]/.test(baseUrl)) {
    throw new InsecureAddress(
      "The service's address must not have a user, password, query or fragment.",
    );
  }
  if (url.protocol === "http:" && !allowInsecureHttp && !LOOPBACK.test(url.hostname)) {
    throw new InsecureAddress(
      "http:// to another machine exposes the bot's token in transit: use https://.",
    );
  }
  return url.href.replace(/\/+$/, "");
}

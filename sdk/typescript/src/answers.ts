/**
 * The service's answers: the members on which this client relies are checked, the others are passed
 * on. Unknown members and values are left alone, so that old bots keep working.
 */

import type {
  BatchVerdicts,
  Config,
  HeartbeatAnswer,
  Position,
  PositionPage,
  Release,
} from "./api.js";
import { decode } from "./base64url.js";
import { MalformedAnswer, MayNotOpen, refusedError, type Refused } from "./errors.js";

const CONFLICT = 409;
const LONGEST_DETAIL = 500;
const RETRY_AFTER = /^[0-9]{1,9}$/;

/** An answer as it arrived. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

type Document = Record<string, unknown>;

export interface SealedPart {
  readonly sealedDataKey: Buffer;
  readonly nonce: Buffer;
  readonly ciphertext: Buffer;
}

/** A release whose binary members are decoded; everything secret in it is sealed. */
export interface SealedRelease extends SealedPart {
  readonly answer: Release;
  readonly apiKey: SealedPart | null;
}

export function parseRelease(text: string): SealedRelease {
  const answer = parse(text);
  for (const name of ["account_id", "bot_id", "key_id", "exchange", "environment", "suite"]) {
    requireKind(answer, name, "string");
  }
  requireKind(answer, "version", "number");
  if (!Number.isSafeInteger(answer["version"]) || Number(answer["version"]) < 1) {
    throw notUnderstood("version");
  }
  for (const name of ["account_id", "bot_id", "key_id"]) {
    answer[name] = String(answer[name]).toLowerCase();
  }
  answer["endpoints"] ??= { rest: null, websocket: null };
  const apart = answer["sealed_api_key"] ?? null;
  return {
    ...sealedPart(answer, ""),
    answer: answer as unknown as Release,
    apiKey: apart === null ? null : sealedPart(asObject(apart, "sealed_api_key"), "sealed_api_key."),
  };
}

function sealedPart(document: Document, path: string): SealedPart {
  const bytes = (name: string): Buffer => {
    const value = document[name];
    const raw = typeof value === "string" ? decode(value) : null;
    if (raw === null) {
      throw notUnderstood(path + name);
    }
    return raw;
  };
  return {
    sealedDataKey: bytes("sealed_data_key"),
    nonce: bytes("nonce"),
    ciphertext: bytes("ciphertext"),
  };
}

export function parseConfig(text: string): Config {
  const config = parse(text);
  if (typeof config["version"] !== "number") {
    requireKind(config, "version", "string");
  }
  requireKind(config, "may_open_positions", "boolean");
  if (config["key"] !== null) {
    const key = asObject(config["key"], "key");
    for (const name of ["id", "exchange", "environment"]) {
      requireKind(key, name, "string", "key.");
    }
    requireKind(key, "version", "number", "key.");
  }
  config["blocked_by"] ??= [];
  config["assets"] ??= [];
  config["endpoints"] ??= { rest: null, websocket: null };
  requireTexts(config["blocked_by"], "blocked_by");
  for (const [index, asset] of requireList(config, "assets").entries()) {
    requireKind(asObject(asset, `assets.${index}`), "symbol", "string", `assets.${index}.`);
  }
  return config as unknown as Config;
}

export function parseHeartbeat(text: string): HeartbeatAnswer {
  const answer = parse(text);
  if (typeof answer["config_version"] !== "number") {
    requireKind(answer, "config_version", "string");
  }
  requireKind(answer, "may_open_positions", "boolean");
  if (answer["next_in"] !== undefined) {
    requireKind(answer, "next_in", "number"); // an older service does not say it
  }
  return answer as unknown as HeartbeatAnswer;
}

export function parsePosition(text: string): Position {
  return checkedPosition(parse(text), "");
}

export function parsePositions(text: string): PositionPage {
  const page = parse(text);
  for (const [index, position] of requireList(page, "items").entries()) {
    checkedPosition(asObject(position, `items.${index}`), `items.${index}.`);
  }
  if (page["next_cursor"] !== null) {
    requireKind(page, "next_cursor", "string");
  }
  return page as unknown as PositionPage;
}

function checkedPosition(position: Document, path: string): Position {
  for (const name of ["id", "symbol", "side", "status", "quantity"]) {
    requireKind(position, name, "string", path);
  }
  if ((position["revision"] ?? null) !== null) {
    requireKind(position, "revision", "number", path);
  }
  return position as unknown as Position;
}

export function parseVerdicts(text: string, count: number): BatchVerdicts["results"] {
  const results = requireList(parse(text), "results");
  if (results.length !== count) {
    throw new MalformedAnswer("The service did not return one verdict per item.");
  }
  for (const [index, verdict] of results.entries()) {
    requireKind(asObject(verdict, `results.${index}`), "status", "string", `results.${index}.`);
  }
  return results as BatchVerdicts["results"];
}

/** Return the typed error for an answer that is not a success, whatever its body holds. */
export function refusal(answer: Answer): Refused {
  let problem: Document = {};
  try {
    problem = asObject(JSON.parse(answer.text), "body");
  } catch {
    // A proxy's page, or nothing: the status says enough.
  }
  const members = {
    status: answer.status,
    code: safeText(problem["code"]) || `http_${answer.status}`,
    detail: safeText(problem["detail"]) || "The service gave no reason.",
    requestId: safeText(problem["request_id"]),
    retryAfter: retryAfter(answer.headers),
  };
  const reasons = problem["blocked_by"];
  if (answer.status === CONFLICT && Array.isArray(reasons) && reasons.length > 0) {
    return new MayNotOpen(members, reasons.map(safeText));
  }
  return refusedError(members);
}

/** Return the seconds of `Retry-After` (RFC 9110 10.2.3); `null` if absent or a date. */
function retryAfter(headers: Headers): number | null {
  const text = (headers.get("retry-after") ?? "").trim();
  return RETRY_AFTER.test(text) ? Number(text) : null;
}

/** Return text that is safe to log: short and on one line, whatever the answer held. */
function safeText(value: unknown): string {
  return typeof value === "string"
    ? value.replace(/[\u0000-\u001f\u007f-\u009f]/g, " ").slice(0, LONGEST_DETAIL)
    : "";
}

function parse(text: string): Document {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Not the parser's own error, which quotes what it read.
    throw notUnderstood("body");
  }
  return asObject(value, "body");
}

function asObject(value: unknown, path: string): Document {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw notUnderstood(path);
  }
  return value as Document;
}

function requireList(document: Document, name: string): unknown[] {
  const value = document[name];
  if (!Array.isArray(value)) {
    throw notUnderstood(name);
  }
  return value;
}

function requireTexts(value: unknown, name: string): void {
  if (!Array.isArray(value) || value.some((each) => typeof each !== "string")) {
    throw notUnderstood(name);
  }
}

function requireKind(
  document: Document,
  name: string,
  kind: "string" | "number" | "boolean",
  path = "",
): void {
  if (typeof document[name] !== kind) {
    throw notUnderstood(path + name);
  }
}

function notUnderstood(path: string): MalformedAnswer {
  return new MalformedAnswer(`The service's response is not understood: ${path}.`);
}

/** The only code of this package that opens credentials. It runs inside the bot. */

import type { SealedPart, SealedRelease } from "../answers.js";
import { CannotOpen, MalformedAnswer } from "../errors.js";
import { Secret } from "../secret.js";
import { releaseInfo, sealData, type Binding } from "./binding.js";
import { openAesGcm } from "./hpke.js";
import type { OneTimeKey } from "./one-time-key.js";

export interface OpenedCredentials {
  readonly apiKey: Secret;
  readonly apiSecret: Secret;
  readonly apiPassphrase: Secret | null;
}

type Fields = Record<string, unknown>;

/**
 * Return the credentials. Throws CannotOpen, or MalformedAnswer for any other content.
 *
 * The caller has compared the answer's ids with its own; both layers are bound to all of them.
 */
export function openRelease(key: OneTimeKey, release: SealedRelease): OpenedCredentials {
  const { answer } = release;
  const binding: Binding = {
    accountId: answer.account_id,
    keyId: answer.key_id,
    version: answer.version,
    exchange: answer.exchange,
    environment: answer.environment,
  };
  const fields = openFields(key, release, answer.bot_id, binding);
  const apart =
    release.apiKey === null
      ? null
      : openFields(key, release.apiKey, answer.bot_id, { ...binding, version: -binding.version });
  const opened = apart === null ? whole(fields) : joined(fields, apart);
  if (opened === null) {
    throw new MalformedAnswer(
      "The sealed content was opened, but does not contain credentials.",
    );
  }
  return opened;
}

function openFields(key: OneTimeKey, part: SealedPart, botId: string, binding: Binding): Fields {
  const dataKey = key.open(part.sealedDataKey, releaseInfo(binding, botId));
  if (dataKey === null) {
    throw new CannotOpen();
  }
  let plaintext: Buffer | null;
  try {
    plaintext = openAesGcm(dataKey, part.nonce, sealData(binding), part.ciphertext);
  } finally {
    dataKey.fill(0);
  }
  if (plaintext === null) {
    throw new CannotOpen();
  }
  try {
    const fields: unknown = JSON.parse(plaintext.toString("utf8"));
    return typeof fields === "object" && fields !== null ? (fields as Fields) : {};
  } catch {
    // The parser's error quotes the text that it read: it must not escape, not even as a cause.
    return {};
  } finally {
    plaintext.fill(0);
  }
}

function whole(fields: Fields): OpenedCredentials | null {
  const { api_key: key, api_secret: secret, api_passphrase: passphrase = null } = fields;
  if (typeof key !== "string" || typeof secret !== "string") {
    return null;
  }
  if (passphrase !== null && typeof passphrase !== "string") {
    return null;
  }
  return {
    apiKey: new Secret(key),
    apiSecret: new Secret(secret),
    apiPassphrase: passphrase === null ? null : new Secret(passphrase),
  };
}

/** Return the credentials of a key pair. Each part holds one member and no other. */
function joined(privateHalf: Fields, apart: Fields): OpenedCredentials | null {
  const key = onlyMember(apart, "api_key");
  const secret = onlyMember(privateHalf, "api_secret");
  if (key === null || secret === null) {
    return null;
  }
  return { apiKey: new Secret(key), apiSecret: new Secret(secret), apiPassphrase: null };
}

function onlyMember(fields: Fields, name: string): string | null {
  const value = fields[name];
  return Object.keys(fields).length === 1 && typeof value === "string" ? value : null;
}

/**
 * The ids in a bot's token, as its holder can read them.
 *
 * `bkb_`, then 86 characters of base62 (0-9A-Za-z) for account id (16 B) ‖ bot id (16 B) ‖ 256
 * random bits as one big-endian number, then 6 characters of base62 for the CRC-32 of all the text
 * before.
 */

import { MalformedToken } from "./errors.js";
import type { Secret } from "./secret.js";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SHAPE = /^bkb_[0-9A-Za-z]{92}$/;
const CHECKED = 90;
const BODY_BYTES = 64;

export interface TokenIds {
  readonly accountId: string;
  readonly botId: string;
}

/** Return the ids. Throws MalformedToken, which never quotes the token. */
export function parseToken(token: Secret): TokenIds {
  const text = token.reveal();
  if (!SHAPE.test(text) || BigInt(crc32(text.slice(0, CHECKED))) !== base62(text.slice(CHECKED))) {
    throw new MalformedToken();
  }
  const body = base62(text.slice("bkb_".length, CHECKED)).toString(16).padStart(BODY_BYTES * 2, "0");
  if (body.length > BODY_BYTES * 2) {
    throw new MalformedToken();
  }
  return { accountId: uuid(body.slice(0, 32)), botId: uuid(body.slice(32, 64)) };
}

function base62(text: string): bigint {
  let number = 0n;
  for (const character of text) {
    number = number * 62n + BigInt(ALPHABET.indexOf(character));
  }
  return number;
}

function uuid(hex: string): string {
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

// zlib's own is in Node only from 22.2 on.
function crc32(text: string): number {
  let crc = 0xffffffff;
  for (const byte of Buffer.from(text, "latin1")) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) {
      crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    }
  }
  return (crc ^ 0xffffffff) >>> 0;
}

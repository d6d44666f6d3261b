/**
 * The receiving half of HPKE (RFC 9180): base mode, one message, HKDF-SHA256, AES-256-GCM. The key
 * schedule is here; the two KEMs are in one-time-key.ts.
 */

import { createDecipheriv, createHmac } from "node:crypto";

const HASH_BYTES = 32;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KDF = 0x0001;
const AEAD = 0x0002;
const BASE_MODE = 0;
const NOTHING = Buffer.alloc(0);

/** Return the plaintext, or `null` if it does not open. */
export function openWith(
  kem: number,
  sharedSecret: Uint8Array,
  info: Uint8Array,
  ciphertext: Uint8Array,
): Buffer | null {
  const suite = Buffer.concat([Buffer.from("HPKE"), u16(kem), u16(KDF), u16(AEAD)]);
  const context = Buffer.concat([
    Buffer.of(BASE_MODE),
    labeledExtract(suite, NOTHING, "psk_id_hash", NOTHING),
    labeledExtract(suite, NOTHING, "info_hash", info),
  ]);
  const secret = labeledExtract(suite, sharedSecret, "secret", NOTHING);
  const key = labeledExpand(suite, secret, "key", context, KEY_BYTES);
  const nonce = labeledExpand(suite, secret, "base_nonce", context, NONCE_BYTES);
  try {
    return openAesGcm(key, nonce, NOTHING, ciphertext);
  } finally {
    secret.fill(0);
    key.fill(0);
  }
}

/** Return the plaintext of AES-256-GCM, its tag at the end; `null` if it does not open. */
export function openAesGcm(
  key: Uint8Array,
  nonce: Uint8Array,
  associatedData: Uint8Array,
  sealed: Uint8Array,
): Buffer | null {
  if (key.length !== KEY_BYTES || nonce.length !== NONCE_BYTES || sealed.length < TAG_BYTES) {
    return null;
  }
  const cipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(associatedData);
  cipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  const opened = cipher.update(sealed.subarray(0, sealed.length - TAG_BYTES));
  try {
    cipher.final();
  } catch {
    opened.fill(0);
    return null;
  }
  return opened;
}

/** Return LabeledExtract of RFC 9180 section 4. */
export function labeledExtract(
  suite: Uint8Array,
  salt: Uint8Array,
  label: string,
  input: Uint8Array,
): Buffer {
  return hmac(salt, Buffer.from("HPKE-v1"), suite, Buffer.from(label), input);
}

/** Return LabeledExpand of RFC 9180 section 4, of at most one block. */
export function labeledExpand(
  suite: Uint8Array,
  secret: Uint8Array,
  label: string,
  info: Uint8Array,
  length: number,
): Buffer {
  if (length > HASH_BYTES) {
    throw new RangeError("more than one block of HKDF is never needed");
  }
  const named = [u16(length), Buffer.from("HPKE-v1"), suite, Buffer.from(label), info];
  return hmac(secret, ...named, Buffer.of(1)).subarray(0, length);
}

export function u16(number: number): Buffer {
  return Buffer.of(number >> 8, number & 0xff);
}

function hmac(key: Uint8Array, ...parts: Uint8Array[]): Buffer {
  const digest = createHmac("sha256", key);
  for (const part of parts) {
    digest.update(part);
  }
  return digest.digest();
}

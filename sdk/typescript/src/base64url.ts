/** base64url (RFC 4648 section 5) without padding: exactly one text for each value. */

export function encode(raw: Uint8Array): string {
  return Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString("base64url");
}

/** Return the bytes, or `null` for any text but the one that `encode` writes, padding apart. */
export function decode(text: string): Buffer | null {
  const given = text.replace(/={1,2}$/, "");
  const raw = Buffer.from(given, "base64url");
  return raw.toString("base64url") === given ? raw : null;
}

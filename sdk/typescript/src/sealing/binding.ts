/**
 * What a sealed value is bound to, and the bytes that express it: an ASCII label, then each field
 * as its length (unsigned 16 bits, big-endian) and its UTF-8 text. docs/custody.md has the format.
 */

export interface Binding {
  readonly accountId: string;
  readonly keyId: string;
  /** Negated for the API key of a key pair, which is sealed apart. */
  readonly version: number;
  readonly exchange: string;
  readonly environment: string;
}

export function encodeBinding(label: string, ...fields: string[]): Buffer {
  const parts: Buffer[] = [Buffer.from(label, "ascii")];
  for (const field of fields) {
    const text = Buffer.from(field, "utf8");
    if (text.length > 0xffff) {
      throw new RangeError("a field of a binding holds at most 65535 bytes");
    }
    const length = Buffer.alloc(2);
    length.writeUInt16BE(text.length);
    parts.push(length, text);
  }
  return Buffer.concat(parts);
}

/** Return the associated data of the credentials' AES-256-GCM. */
export function sealData(binding: Binding): Buffer {
  const { accountId, keyId, version, exchange, environment } = binding;
  return encodeBinding("botkeys/seal/1", accountId, keyId, String(version), exchange, environment);
}

/** Return the HPKE `info` of a release. */
export function releaseInfo(binding: Binding, botId: string): Buffer {
  const { accountId, keyId, version, exchange, environment } = binding;
  return encodeBinding(
    "botkeys/release/1",
    accountId,
    botId,
    keyId,
    String(version),
    exchange,
    environment,
  );
}

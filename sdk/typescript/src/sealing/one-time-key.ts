/**
 * A key pair for one release, in the two suites of docs/custody.md:
 *
 * | suite           | KEM                                            | public key    | enc    |
 * | --------------- | ---------------------------------------------- | ------------- | ------ |
 * | mlkem768-x25519 | 0x647a, MLKEM768-X25519, also called X-Wing    | 1184 + 32 B   | 1120 B |
 * | x25519          | 0x0020, DHKEM(X25519, HKDF-SHA256) of RFC 9180 | 32 B          | 32 B   |
 */

import {
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  randomBytes,
  type KeyObject,
} from "node:crypto";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";

import type { SealingSuite } from "../api.js";
import { labeledExpand, labeledExtract, openWith, u16 } from "./hpke.js";

const SEED_BYTES = 32;
const LATTICE_SEED_BYTES = 64;
const LATTICE_CIPHERTEXT_BYTES = 1088;
const POINT_BYTES = 32;
const X_WING_LABEL = Buffer.from("5c2e2f2f5e5c", "hex");
const KEM = { "mlkem768-x25519": 0x647a, x25519: 0x0020 } as const;

// What stands before the 32 bytes of an X25519 key in PKCS #8 and SPKI (RFC 8410).
const PRIVATE_PREFIX = Buffer.from("302e020100300506032b656e04220420", "hex");
const PUBLIC_PREFIX = Buffer.from("302a300506032b656e032100", "hex");

export class OneTimeKey {
  readonly suite: SealingSuite;
  readonly publicKey: Buffer;
  readonly #point: KeyObject;
  readonly #pointPublic: Buffer;
  readonly #lattice: Uint8Array | null;

  /** Take a seed of 32 bytes: the draft's for the hybrid suite, the scalar itself for X25519. */
  constructor(suite: SealingSuite, seed: Uint8Array) {
    if (!Object.hasOwn(KEM, suite)) {
      throw new RangeError("known suites are mlkem768-x25519 and x25519");
    }
    if (seed.length !== SEED_BYTES) {
      throw new RangeError(`a seed is ${SEED_BYTES} bytes long`);
    }
    this.suite = suite;
    if (suite === "x25519") {
      this.#lattice = null;
      this.#point = privatePoint(seed);
      this.#pointPublic = publicBytes(this.#point);
      this.publicKey = this.#pointPublic;
      return;
    }
    const outputLength = LATTICE_SEED_BYTES + POINT_BYTES;
    const wide = createHash("shake256", { outputLength }).update(seed).digest();
    const lattice = ml_kem768.keygen(wide.subarray(0, LATTICE_SEED_BYTES));
    this.#lattice = lattice.secretKey;
    this.#point = privatePoint(wide.subarray(LATTICE_SEED_BYTES));
    wide.fill(0);
    this.#pointPublic = publicBytes(this.#point);
    this.publicKey = Buffer.concat([lattice.publicKey, this.#pointPublic]);
  }

  static generate(suite: SealingSuite): OneTimeKey {
    const seed = randomBytes(SEED_BYTES);
    try {
      return new OneTimeKey(suite, seed);
    } finally {
      seed.fill(0);
    }
  }

  /** Return the plaintext of enc ‖ ciphertext, or `null` if it does not open. */
  open(sealed: Uint8Array, info: Uint8Array): Buffer | null {
    const encBytes = this.#lattice === null ? POINT_BYTES : LATTICE_CIPHERTEXT_BYTES + POINT_BYTES;
    if (sealed.length < encBytes) {
      return null;
    }
    const shared = this.#decapsulate(sealed.subarray(0, encBytes));
    if (shared === null) {
      return null;
    }
    try {
      return openWith(KEM[this.suite], shared, info, sealed.subarray(encBytes));
    } finally {
      shared.fill(0);
    }
  }

  /** Overwrite what can be. The key opens nothing afterwards in the hybrid suite. */
  wipe(): void {
    this.#lattice?.fill(0);
  }

  #decapsulate(enc: Uint8Array): Buffer | null {
    const theirs = enc.subarray(enc.length - POINT_BYTES);
    const agreed = agree(this.#point, theirs);
    if (agreed === null) {
      return null;
    }
    try {
      if (this.#lattice === null) {
        return this.#classical(agreed, theirs);
      }
      const quantum = ml_kem768.decapsulate(
        enc.subarray(0, LATTICE_CIPHERTEXT_BYTES),
        this.#lattice,
      );
      const combined = createHash("sha3-256")
        .update(quantum)
        .update(agreed)
        .update(theirs)
        .update(this.#pointPublic)
        .update(X_WING_LABEL)
        .digest();
      quantum.fill(0);
      return combined;
    } finally {
      agreed.fill(0);
    }
  }

  #classical(agreed: Uint8Array, theirs: Uint8Array): Buffer {
    const suite = Buffer.concat([Buffer.from("KEM"), u16(KEM.x25519)]);
    const context = Buffer.concat([theirs, this.#pointPublic]);
    const secret = labeledExtract(suite, Buffer.alloc(0), "eae_prk", agreed);
    try {
      return labeledExpand(suite, secret, "shared_secret", context, SEED_BYTES);
    } finally {
      secret.fill(0);
    }
  }
}

function privatePoint(scalar: Uint8Array): KeyObject {
  const key = Buffer.concat([PRIVATE_PREFIX, scalar]);
  try {
    return createPrivateKey({ key, format: "der", type: "pkcs8" });
  } finally {
    key.fill(0);
  }
}

function publicBytes(point: KeyObject): Buffer {
  const encoded = createPublicKey(point).export({ format: "der", type: "spki" });
  return encoded.subarray(PUBLIC_PREFIX.length);
}

/** Return what both sides agree on, or `null` for a point of low order. */
function agree(ours: KeyObject, theirs: Uint8Array): Buffer | null {
  const key = Buffer.concat([PUBLIC_PREFIX, theirs]);
  try {
    const publicKey = createPublicKey({ key, format: "der", type: "spki" });
    return diffieHellman({ privateKey: ours, publicKey });
  } catch {
    return null;
  }
}

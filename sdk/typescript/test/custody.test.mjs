import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";

import { CannotOpen, MalformedAnswer, MalformedToken, Secret } from "../dist/index.js";
import { parseRelease } from "../dist/answers.js";
import { decode, encode } from "../dist/base64url.js";
import { releaseInfo, sealData } from "../dist/sealing/binding.js";
import { OneTimeKey } from "../dist/sealing/one-time-key.js";
import { openRelease } from "../dist/sealing/unseal.js";
import { parseToken } from "../dist/token.js";
import { bytes, releaseOf, vectors } from "./support.mjs";

const binding = {
  accountId: vectors.binding.account_id,
  keyId: vectors.binding.key_id,
  version: vectors.binding.version,
  exchange: vectors.binding.exchange,
  environment: vectors.binding.environment,
};
const botId = vectors.binding.bot_id;

function opened(suite, changes) {
  const { private_key } = vectors.releases.find((each) => each.suite === suite);
  const release = parseRelease(JSON.stringify(releaseOf(suite, changes)));
  return openRelease(new OneTimeKey(suite, bytes(private_key)), release);
}

test("bindings are those of the vectors", () => {
  assert.equal(encode(sealData(binding)), vectors.seal.associated_data);
  for (const release of vectors.releases) {
    assert.equal(encode(releaseInfo(binding, botId)), release.info);
  }
  const { pair } = vectors;
  const bound = { ...binding, exchange: pair.exchange, environment: pair.environment };
  assert.equal(encode(sealData(bound)), pair.private_half.associated_data);
  assert.equal(encode(releaseInfo(bound, botId)), pair.private_half.releases[0].info);
  assert.equal(encode(sealData({ ...bound, version: -3 })), pair.api_key.associated_data);
});

for (const { suite, private_key, public_key, info, sealed_data_key } of vectors.releases) {
  test(`${suite} opens the data key of the vectors, and with it the credentials`, () => {
    const key = new OneTimeKey(suite, bytes(private_key));
    assert.equal(encode(key.publicKey), public_key);
    assert.equal(encode(key.open(bytes(sealed_data_key), bytes(info))), vectors.seal.data_key);
    const credentials = opened(suite);
    const plaintext = JSON.parse(bytes(vectors.seal.plaintext));
    assert.equal(credentials.apiKey.reveal(), plaintext.api_key);
    assert.equal(credentials.apiSecret.reveal(), plaintext.api_secret);
    assert.equal(credentials.apiPassphrase.reveal(), plaintext.api_passphrase);
  });

  test(`${suite} opens nothing that was altered or moved`, () => {
    for (const name of ["sealed_data_key", "nonce", "ciphertext"]) {
      const whole = bytes(releaseOf(suite)[name]);
      for (const at of [0, whole.length >> 1, whole.length - 1]) {
        const altered = Buffer.from(whole);
        altered[at] ^= 1;
        assert.throws(() => opened(suite, { [name]: encode(altered) }), CannotOpen);
      }
      assert.throws(() => opened(suite, { [name]: encode(whole.subarray(1)) }), CannotOpen);
      assert.throws(() => opened(suite, { [name]: "" }), CannotOpen);
    }
    for (const moved of [
      { version: 4 },
      { exchange: "kucoin" },
      { environment: "live" },
      { bot_id: vectors.binding.key_id },
      { key_id: vectors.binding.bot_id },
      { account_id: vectors.binding.bot_id },
    ]) {
      assert.throws(() => opened(suite, moved), CannotOpen);
    }
  });

  test(`${suite} refuses an encapsulation of low order`, () => {
    const sealed = bytes(sealed_data_key);
    const point = sealed.length - 48 - 32;
    sealed.fill(0, point, point + 32);
    assert.equal(new OneTimeKey(suite, bytes(private_key)).open(sealed, bytes(info)), null);
  });

  test(`${suite} joins the two parts of a key pair, and takes neither for the other`, () => {
    const of = (part) => ({
      nonce: part.nonce,
      ciphertext: part.ciphertext,
      sealed_data_key: part.releases.find((each) => each.suite === suite).sealed_data_key,
    });
    const { private_half, api_key, exchange, environment } = vectors.pair;
    const pair = { exchange, environment, ...of(private_half), sealed_api_key: of(api_key) };
    const credentials = opened(suite, pair);
    assert.equal(
      credentials.apiSecret.reveal(),
      JSON.parse(bytes(private_half.plaintext)).api_secret,
    );
    assert.equal(credentials.apiKey.reveal(), JSON.parse(bytes(api_key.plaintext)).api_key);
    assert.equal(credentials.apiPassphrase, null);

    const swapped = { ...pair, ...of(api_key), sealed_api_key: of(private_half) };
    assert.throws(() => opened(suite, swapped), CannotOpen);
    assert.throws(() => opened(suite, { ...pair, sealed_api_key: of(private_half) }), CannotOpen);
    assert.throws(() => opened(suite, { ...pair, sealed_api_key: null }), MalformedAnswer);
    const sealed_api_key = releaseOf(suite);
    assert.throws(() => opened(suite, { sealed_api_key }), CannotOpen);
  });

  test(`a one-time key of ${suite} is another each time`, () => {
    const [one, other] = [OneTimeKey.generate(suite), OneTimeKey.generate(suite)];
    assert.equal(one.publicKey.length, suite === "x25519" ? 32 : 1216);
    assert.notDeepEqual(one.publicKey, other.publicKey);
  });
}

test("a token has its ids and its check", () => {
  const { token, account_id, bot_id } = vectors.token;
  assert.deepEqual(parseToken(new Secret(token)), { accountId: account_id, botId: bot_id });
  for (const wrong of [
    "",
    token.slice(1),
    `${token} `,
    token.slice(0, -1) + (token.endsWith("A") ? "B" : "A"),
    token.replace(/^(bkb_.)./, (_, kept) => `${kept}${token[5] === "0" ? "1" : "0"}`),
  ]) {
    assert.throws(() => parseToken(new Secret(wrong)), (error) => {
      assert(error instanceof MalformedToken);
      assert(wrong === "" || !inspect(error).includes(wrong.slice(4, 40)));
      return true;
    });
  }
});

test("base64url has one text for each value", () => {
  assert.deepEqual(decode("AAE"), Buffer.of(0, 1));
  assert.deepEqual(decode("AAE="), Buffer.of(0, 1));
  for (const wrong of ["AAF", "A", "AA+_", "A AE", "AAE=A", "ä"]) {
    assert.equal(decode(wrong), null);
  }
});

test("nothing shows a secret but reveal", () => {
  const secret = new Secret("PLANTED");
  const within = { secret, list: [secret], map: new Map([["secret", secret]]) };
  const shown = [
    `${secret}`,
    secret + "",
    String(secret),
    JSON.stringify(within),
    inspect(within, { depth: 9, showHidden: true }),
    JSON.stringify(structuredClone(secret)),
    Object.getOwnPropertyNames(secret).join(),
  ];
  assert(!shown.join().includes("PLANTED"));
  assert.equal(secret.reveal(), "PLANTED");
  assert.throws(() => new Secret(1), TypeError);
});

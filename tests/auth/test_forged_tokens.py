"""Forged and altered tokens. RFC 8725 lists most of these attacks."""

import contextlib
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, RSAKey

from app.auth.errors import TokenFault, Unauthenticated
from app.auth.signed_token import MAX_TOKEN_BYTES
from app.auth.verifier import TokenVerifier
from app.errors import AppError
from tests.auth.conftest import (
    NOW,
    Clock,
    base64url,
    claims,
    ec_key,
    make_verifier,
    patient,
    public,
    sign,
    sign_bytes,
    sign_segments,
)

STRANGER = ec_key("one")
SIGNER = ec_key("one")
VERIFIER = make_verifier([SIGNER], lambda: NOW)


async def fault_of(verifier: TokenVerifier, token: str | bytes) -> TokenFault:
    with pytest.raises(Unauthenticated) as refusal:
        await verifier.verify(token)
    return refusal.value.fault


def unsigned(header: dict[str, Any], signature: bytes = b"") -> str:
    parts = (json.dumps(header).encode(), json.dumps(claims()).encode(), signature)
    return ".".join(base64url(part) for part in parts)


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", " ", "es256", "ES256 "])
async def test_no_algorithm_is_no_signature(verifier: TokenVerifier, name: str) -> None:
    assert await fault_of(verifier, unsigned({"alg": name})) is TokenFault.ALGORITHM
    assert await fault_of(verifier, unsigned({"alg": name}, b"x" * 64)) is TokenFault.ALGORITHM


@pytest.mark.parametrize("name", [None, 256, ["ES256"], {"ES256": 1}, True])
async def test_an_algorithm_must_be_a_name(verifier: TokenVerifier, name: Any) -> None:
    assert await fault_of(verifier, unsigned({"alg": name})) is TokenFault.ALGORITHM


async def test_a_token_without_an_algorithm_is_refused(verifier: TokenVerifier) -> None:
    assert await fault_of(verifier, unsigned({"typ": "JWT"})) is TokenFault.ALGORITHM


@pytest.mark.parametrize("name", ["HS256", "HS384", "HS512"])
async def test_a_public_key_is_no_hmac_secret(clock: Clock, name: str) -> None:
    signer = RSAKey.generate_key(2048, {"kid": "one"})
    verifier = make_verifier([signer], clock, ("RS256",))
    for secret in (
        signer.as_pem(private=False),
        signer.as_der(private=False),
        json.dumps(public(signer)[0]).encode(),
        b"",
    ):
        text = unsigned({"alg": name, "kid": "one"}).rpartition(".")[0]
        digest = hmac.new(secret, text.encode(), getattr(hashlib, "sha" + name[2:])).digest()
        assert await fault_of(verifier, f"{text}.{base64url(digest)}") is TokenFault.ALGORITHM


async def test_an_algorithm_that_was_not_configured_is_refused(clock: Clock) -> None:
    signer = RSAKey.generate_key(2048, {"kid": "one"})
    verifier = make_verifier([signer], clock, ("RS256",))
    token = sign(signer, claims(), algorithm="RS512")
    assert await fault_of(verifier, token) is TokenFault.ALGORITHM


async def test_a_key_published_for_one_algorithm_serves_no_other(clock: Clock) -> None:
    signer = RSAKey.generate_key(2048, {"kid": "one"})
    published = RSAKey.import_key({**public(signer)[0], "alg": "PS256"})
    verifier = make_verifier([published], clock, ("RS256", "PS256"))
    assert await fault_of(verifier, sign(signer, claims(), algorithm="RS256")) is (
        TokenFault.UNKNOWN_KEY
    )
    assert await verifier.verify(sign(signer, claims(), algorithm="PS256"))


@pytest.mark.parametrize(
    "names_a_key",
    [
        {"jwk": public(STRANGER)[0]},
        {"jku": "http://127.0.0.1:9/keys"},
        {"x5u": "http://127.0.0.1:9/certificate"},
        {"x5c": ["MIIB"]},
        {"jku": "http://127.0.0.1:9/keys", "kid": "stranger"},
    ],
)
async def test_a_token_cannot_bring_its_own_key(
    verifier: TokenVerifier, names_a_key: dict[str, Any]
) -> None:
    fault = await fault_of(verifier, sign(STRANGER, claims(), names_a_key))
    assert fault in (TokenFault.BAD_SIGNATURE, TokenFault.UNKNOWN_KEY)


async def test_the_issuers_own_hints_at_a_key_do_no_harm(
    verifier: TokenVerifier, key: ECKey
) -> None:
    header = {"jku": "https://issuer.example/keys", "x5t": "AAAA", "x5c": ["M" * 1500]}
    assert (await verifier.verify(sign(key, claims(), header))).subject == "alice"


@pytest.mark.parametrize(
    "kid", ["../../dev/null", "' OR 1=1 --", "one\x00", "", "http://x/", "ONE"]
)
async def test_a_key_id_is_only_ever_compared(verifier: TokenVerifier, kid: str) -> None:
    token = sign(STRANGER, claims(), {"kid": kid})
    assert await fault_of(verifier, token) is TokenFault.UNKNOWN_KEY


@pytest.mark.parametrize("kid", [1, None, ["one"], {"one": 1}])
async def test_a_key_id_must_be_a_text(key: ECKey, verifier: TokenVerifier, kid: Any) -> None:
    header = json.dumps({"alg": "ES256", "kid": kid}).encode()
    token = sign_segments(key, header, json.dumps(claims()).encode())
    assert await fault_of(verifier, token) is TokenFault.MALFORMED


@pytest.mark.parametrize("crit", [["exp"], ["b64"], ["kid"], [], "kid", None])
@pytest.mark.parametrize("other", [{}, {"b64": False}, {"b64": True}])
async def test_no_critical_extension_is_understood(
    key: ECKey, verifier: TokenVerifier, crit: Any, other: dict[str, bool]
) -> None:
    header = json.dumps({"alg": "ES256", "kid": "one", "crit": crit, **other}).encode()
    token = sign_segments(key, header, json.dumps(claims()).encode())
    assert await fault_of(verifier, token) is TokenFault.MALFORMED


async def test_an_unencoded_payload_is_refused_without_crit_too(
    key: ECKey, verifier: TokenVerifier
) -> None:
    header = json.dumps({"alg": "ES256", "kid": "one", "b64": False}).encode()
    token = sign_segments(key, header, json.dumps(claims()).encode())
    assert await fault_of(verifier, token) is TokenFault.MALFORMED


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "application/at+JWT", "application/jwt"])
async def test_access_tokens_are_taken(verifier: TokenVerifier, key: ECKey, kind: str) -> None:
    assert await verifier.verify(sign(key, claims(), {"typ": kind}))


@pytest.mark.parametrize("kind", ["logout+jwt", "dpop+jwt", "secevent+jwt", "JOSE", ""])
async def test_tokens_for_another_purpose_are_refused(
    verifier: TokenVerifier, key: ECKey, kind: str
) -> None:
    assert await fault_of(verifier, sign(key, claims(), {"typ": kind})) is TokenFault.WRONG_TYPE


async def test_an_operator_may_accept_access_tokens_alone(key: ECKey, clock: Clock) -> None:
    strict = make_verifier([key], clock, types=["AT+jwt"])
    assert await strict.verify(sign(key, claims(), {"typ": "at+jwt"}))
    untyped = sign_segments(key, b'{"alg":"ES256"}', json.dumps(claims()).encode())
    for token in (sign(key, claims(), {"typ": "JWT"}), untyped):
        assert await fault_of(strict, token) is TokenFault.WRONG_TYPE


async def test_a_type_may_be_left_out_but_not_be_a_number(
    verifier: TokenVerifier, key: ECKey
) -> None:
    payload = json.dumps(claims()).encode()
    assert await verifier.verify(sign_segments(key, b'{"alg":"ES256"}', payload))
    token = sign_segments(key, b'{"alg":"ES256","typ":1}', payload)
    assert await fault_of(verifier, token) is TokenFault.MALFORMED


@pytest.mark.parametrize(
    "twice",
    [b'{"sub":"alice",%s', b'{"aud":"other",%s', b'{"exp":9,%s', b'{"iss":"https://e.example",%s'],
)
async def test_a_claim_named_twice_is_refused(
    verifier: TokenVerifier, key: ECKey, twice: bytes
) -> None:
    whole = json.dumps(claims()).encode()
    assert await verifier.verify(sign_bytes(key, whole))
    assert await fault_of(verifier, sign_bytes(key, twice % whole[1:])) is TokenFault.MALFORMED


async def test_a_header_named_twice_is_refused(verifier: TokenVerifier, key: ECKey) -> None:
    header = b'{"alg":"none","alg":"ES256","kid":"one"}'
    token = sign_segments(key, header, json.dumps(claims()).encode())
    assert await fault_of(verifier, token) is TokenFault.MALFORMED


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b'"alice"',
        b"{",
        b"\xff\xfe{\x00}\x00",
        b'\xef\xbb\xbf{"sub":"alice"}',
        b'{"exp":NaN}',
        b'{"exp":Infinity}',
        b'{"sub":"\xff"}',
        b"[" * 5000,
        b'{"a":' * 1100,
        b'{"exp":' + b"9" * 5000 + b"}",
    ],
)
async def test_a_signed_payload_that_is_no_json_object_is_refused(
    verifier: TokenVerifier, key: ECKey, payload: bytes
) -> None:
    assert await fault_of(verifier, sign_bytes(key, payload)) is TokenFault.MALFORMED


async def test_a_number_that_json_does_not_have_is_refused_in_any_claim(
    verifier: TokenVerifier, key: ECKey
) -> None:
    for number in (b"NaN", b"Infinity", b"-Infinity"):
        payload = json.dumps(claims()).encode()[:-1] + b',"other":' + number + b"}"
        assert await fault_of(verifier, sign_bytes(key, payload)) is TokenFault.MALFORMED


async def test_a_header_nested_without_end_is_refused(verifier: TokenVerifier) -> None:
    header = base64url(b'{"a":' * 1100)
    assert await fault_of(verifier, f"{header}.e30.AAAA") is TokenFault.MALFORMED


async def test_a_stranger_with_the_right_key_id_is_refused(verifier: TokenVerifier) -> None:
    assert await fault_of(verifier, sign(STRANGER, claims())) is TokenFault.BAD_SIGNATURE


async def test_another_payload_under_a_true_signature_is_refused(
    verifier: TokenVerifier, key: ECKey
) -> None:
    head, _, signature = sign(key, claims()).split(".")
    body = base64url(json.dumps(claims(sub="bob")).encode())
    assert await fault_of(verifier, f"{head}.{body}.{signature}") is TokenFault.BAD_SIGNATURE


async def test_a_signature_of_zeros_is_refused(verifier: TokenVerifier) -> None:
    """CVE-2022-21449: r = s = 0 verified under every key in another implementation."""
    token = unsigned({"alg": "ES256", "kid": "one"}, bytes(64))
    assert await fault_of(verifier, token) is TokenFault.BAD_SIGNATURE


async def test_encrypted_and_json_forms_are_refused(verifier: TokenVerifier, key: ECKey) -> None:
    head, body, signature = sign(key, claims()).split(".")
    as_json = json.dumps({"protected": head, "payload": body, "signature": signature})
    for token in (f"{head}.{body}.{signature}.x.y", f"{head}.{body}", head, "", "..", as_json):
        assert await fault_of(verifier, token) is TokenFault.MALFORMED


async def test_a_padded_or_spaced_token_is_refused(verifier: TokenVerifier, key: ECKey) -> None:
    head, body, signature = sign(key, claims()).split(".")
    for token in (f"{head}=.{body}.{signature}", f" {head}.{body}.{signature}", f"{head}.{body}.é"):
        assert await fault_of(verifier, token) is TokenFault.MALFORMED


async def test_a_token_above_8_kib_is_refused_before_it_is_read(
    verifier: TokenVerifier, key: ECKey
) -> None:
    token = sign(key, claims(padding="x" * 5800))
    assert MAX_TOKEN_BYTES - 500 < len(token) <= MAX_TOKEN_BYTES
    assert await verifier.verify(token)
    for larger in (sign(key, claims(padding="x" * 7000)), "x" * 8193, b"." * 10_000_000):
        assert await fault_of(verifier, larger) is TokenFault.TOO_LARGE


async def test_a_refusal_says_nothing_of_the_token(verifier: TokenVerifier, key: ECKey) -> None:
    for token in (sign(key, claims(sub="s3cret" * 50)), "s3cret.s3cret.s3cret", sign(STRANGER, {})):
        with pytest.raises(Unauthenticated) as refusal:
            await verifier.verify(token)
        error = refusal.value
        shown = f"{error!r} {error} {error.detail} {error.members} {error.headers}"
        assert "s3cret" not in shown
        assert not any(part in shown for part in token.split("."))
        assert error.__cause__ is None


segments = st.one_of(
    st.binary(max_size=60).map(base64url),
    st.text(max_size=20),
    st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jku", "x5c", "jwk", "x5t"]),
        st.one_of(
            st.sampled_from(["ES256", "one", "JWT"]), st.none(), st.integers(), st.lists(st.text())
        ),
    ).map(lambda header: base64url(json.dumps(header).encode())),
)


@patient
@given(st.one_of(st.text(), st.binary(), st.lists(segments, max_size=5).map(".".join)))
@example("\ud800.\ud800.\ud800")
@example("eyJhbGciOiJFUzI1NiJ9..")
async def test_verifying_raises_nothing_but_an_answer(token: str | bytes) -> None:
    with pytest.raises(AppError):
        await VERIFIER.verify(token)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@patient
@given(
    st.dictionaries(
        st.sampled_from(["iss", "aud", "sub", "exp", "nbf", "iat", "jti", "scope", "scp"]),
        json_values,
    )
)
async def test_a_signed_token_with_any_claims_gets_an_answer(changes: dict[str, Any]) -> None:
    payload = json.dumps({**claims(), **changes}).encode()
    with contextlib.suppress(AppError):
        found = await VERIFIER.verify(sign_bytes(SIGNER, payload))
        assert VERIFIER.principal(found, None).account_id.version == 5

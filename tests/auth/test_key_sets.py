import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from app.auth.key_sets import BadKeySet, FixedKeys, matching, parse_key_set, same_keys
from tests.auth.conftest import ec_key, patient, public

RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
EC = ec_key("ec")
ED = OKPKey.generate_key("Ed25519", {"kid": "ed"})


def key_set(*items: Any) -> bytes:
    return json.dumps({"keys": items}).encode()


def changed(key: RSAKey | ECKey | OKPKey, **changes: Any) -> dict[str, Any]:
    return {**public(key)[0], **changes}


def test_every_kind_of_signing_key_is_read() -> None:
    keys = parse_key_set(key_set(*public(RSA, EC, ED)))
    assert [key.kid for key in keys] == ["rsa", "ec", "ed"]
    assert [key.kid for key in matching(keys, None, "RS256")] == ["rsa"]
    assert [key.kid for key in matching(keys, None, "ES256")] == ["ec"]
    assert [key.kid for key in matching(keys, None, "Ed25519")] == ["ed"]
    assert [key.kid for key in matching(keys, "ec", "ES256")] == ["ec"]
    assert matching(keys, "rsa", "ES256") == []
    assert matching(keys, None, "ES384") == []


@pytest.mark.parametrize(
    "item",
    [
        dict(OctKey.generate_key(256).as_dict(private=True)),
        {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"},
        changed(RSA, use="enc"),
        changed(RSA, use=["sig"]),
        changed(RSA, key_ops=["encrypt"]),
        changed(RSA, key_ops="verify"),
        changed(RSA, alg="RSA-OAEP"),
        changed(RSA, alg="HS256"),
        changed(RSA, alg=["RS256"]),
        changed(RSA, n=7),
        changed(RSA, n="*" * 342),
        changed(RSA, n="AAAA"),
        changed(RSA, n="A" * 342),
        changed(RSA, n="__" * 10_000),
        changed(RSA, e="AQABAQABAQAB"),
        changed(RSA, e="Ag"),
        changed(RSA, e=None),
        changed(RSA, kid="x" * 600),
        changed(RSA, kid=7),
        changed(EC, x="AAAA"),
        changed(EC, crv="secp256k1"),
        changed(EC, crv="P-384"),
        changed(EC, crv=None),
        changed(ED, crv="X25519"),
        changed(ED, x=""),
        {"kty": ["RSA"]},
        {"kty": "RSA"},
        {},
        "key",
        None,
    ],
)
def test_a_key_of_no_use_is_left_out_and_the_others_stay(item: Any) -> None:
    assert [key.kid for key in parse_key_set(key_set(item, *public(EC)))] == ["ec"]


@pytest.mark.filterwarnings("ignore:Key size")
def test_an_rsa_key_below_2048_bits_is_left_out() -> None:
    assert parse_key_set(key_set(*public(RSAKey.generate_key(1024)))) == ()


def test_only_the_public_half_is_kept_even_if_more_is_published() -> None:
    (key,) = parse_key_set(key_set(dict(EC.as_dict(private=True))))
    assert not key.is_private


def test_a_key_for_verifying_says_so_in_any_of_its_ways() -> None:
    items = [changed(EC, use="sig"), changed(EC, key_ops=["verify"]), changed(EC, alg="ES256")]
    assert len(parse_key_set(key_set(*items))) == 3


def test_an_empty_key_set_is_the_issuers_word() -> None:
    assert parse_key_set(b'{"keys": []}') == ()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": null}',
        b'{"keys":[],"keys":[]}',
        key_set(*([None] * 101)),
    ],
)
def test_what_is_no_key_set_is_refused(body: bytes) -> None:
    with pytest.raises(BadKeySet):
        parse_key_set(body)


@patient
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["kty", "crv", "x", "y", "n", "e", "d", "kid", "alg", "use"]),
            st.sampled_from(["RSA", "EC", "OKP", "P-256", "Ed25519", "AQAB", "A" * 43, "sig", ""])
            | st.text()
            | st.none(),
        ),
        max_size=3,
    )
)
def test_any_list_of_keys_can_be_read(items: list[dict[str, Any]]) -> None:
    assert len(parse_key_set(key_set(*items))) <= len(items)


def test_the_same_keys_in_another_order_are_the_same() -> None:
    one, other = parse_key_set(key_set(*public(RSA, EC))), parse_key_set(key_set(*public(EC, RSA)))
    assert same_keys(one, other)
    assert not same_keys(one, one[:1])


async def test_fixed_keys_never_change() -> None:
    keys = FixedKeys([EC])
    assert await keys.find("ec", "ES256") == [EC]
    assert await keys.refresh() is False

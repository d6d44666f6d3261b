import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botkeys.sealing.errors import CannotOpen, InvalidPublicKey, UnknownSuite
from botkeys.sealing.suites import PrivateKey, PublicKey, SuiteName

suites = pytest.mark.parametrize("suite", list(SuiteName))

PRIME = 2**255 - 19
# The points of small order on Curve25519 and their non-canonical forms: https://cr.yp.to/ecdh.html
LOW_ORDER = [
    bytes(32),
    (1).to_bytes(32, "little"),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    (PRIME - 1).to_bytes(32, "little"),
    PRIME.to_bytes(32, "little"),
    (PRIME + 1).to_bytes(32, "little"),
]
LOW_ORDER += [bytes([*point[:31], point[31] | 0x80]) for point in LOW_ORDER]


@suites
def test_what_is_sealed_opens_with_the_private_key(suite: SuiteName) -> None:
    key = PrivateKey.generate(suite)
    sealed = key.public.seal(b"plaintext", b"info")
    assert key.open(sealed, b"info") == b"plaintext"


@suites
def test_the_public_bytes_are_enough_to_seal(suite: SuiteName) -> None:
    key = PrivateKey.generate(suite)
    assert len(key.public.raw) == suite.public_key_bytes
    sealed = PublicKey(suite, key.public.raw).seal(b"plaintext", b"info")
    assert key.open(sealed, b"info") == b"plaintext"


@suites
def test_a_seed_always_gives_the_same_key(suite: SuiteName) -> None:
    sealed = PrivateKey(suite, b"s" * 32).public.seal(b"plaintext", b"info")
    assert PrivateKey(suite, b"s" * 32).open(sealed, b"info") == b"plaintext"
    assert PrivateKey(suite, b"t" * 32).public.raw != PrivateKey(suite, b"s" * 32).public.raw


@suites
def test_another_info_or_another_key_does_not_open(suite: SuiteName) -> None:
    key = PrivateKey.generate(suite)
    sealed = key.public.seal(b"plaintext", b"info")
    with pytest.raises(CannotOpen):
        key.open(sealed, b"other")
    with pytest.raises(CannotOpen):
        PrivateKey.generate(suite).open(sealed, b"info")


@suites
@given(data=st.data())
def test_no_flipped_bit_opens(suite: SuiteName, data: st.DataObject) -> None:
    key = PrivateKey(suite, b"s" * 32)
    sealed = key.public.seal(b"plaintext", b"info")
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    flipped = bytearray(sealed)
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CannotOpen):
        key.open(bytes(flipped), b"info")


@suites
@given(garbage=st.binary(max_size=1300))
def test_garbage_gives_the_typed_error(suite: SuiteName, garbage: bytes) -> None:
    with pytest.raises(CannotOpen):
        PrivateKey(suite, b"s" * 32).open(garbage, b"info")


@pytest.mark.parametrize("point", LOW_ORDER, ids=lambda point: point.hex()[:8])
@suites
def test_an_x25519_point_of_low_order_is_refused(suite: SuiteName, point: bytes) -> None:
    good = PrivateKey(suite, b"s" * 32).public.raw
    with pytest.raises(InvalidPublicKey, match="low order"):
        PublicKey(suite, good[:-32] + point)


@suites
@pytest.mark.parametrize("change", [-1, 1])
def test_a_public_key_of_a_wrong_length_is_refused(suite: SuiteName, change: int) -> None:
    length = suite.public_key_bytes + change
    with pytest.raises(InvalidPublicKey, match=f"not {length}"):
        PublicKey(suite, b"\x09" * length)


@given(raw=st.binary(max_size=64))
def test_random_public_keys_are_taken_or_refused_but_never_crash(raw: bytes) -> None:
    for suite in SuiteName:
        padded = raw.ljust(suite.public_key_bytes, b"\xff")
        try:
            sealed = PublicKey(suite, padded).seal(b"plaintext", b"info")
        except InvalidPublicKey:
            continue
        assert len(sealed) > len(b"plaintext")


def test_a_lattice_part_with_a_coefficient_past_the_modulus_is_refused() -> None:
    suite = SuiteName.MLKEM768_X25519
    good = PrivateKey(suite, b"s" * 32).public.raw
    with pytest.raises(InvalidPublicKey, match="FIPS 203"):
        PublicKey(suite, b"\xff\xff" + good[2:])


def test_an_unknown_suite_is_refused_by_name() -> None:
    assert SuiteName.parse("x25519") is SuiteName.X25519
    with pytest.raises(UnknownSuite):
        SuiteName.parse("rot13")


def test_a_seed_of_a_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        PrivateKey(SuiteName.X25519, b"short")


@suites
def test_keys_do_not_talk_and_cannot_be_copied(suite: SuiteName) -> None:
    key = PrivateKey(suite, b"s" * 32)
    assert repr(key) == str(key) == f"{key}" == "PrivateKey(…)"
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="pickled or copied"):
            attempt(key)

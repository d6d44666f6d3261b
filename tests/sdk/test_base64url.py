"""Each value has one text; any other is rejected, whatever Python's decoder would make of it."""

import base64
import string
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botkeys import base64url

ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"


def written(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@given(st.binary(max_size=200))
def test_what_is_encoded_is_read_back(raw: bytes) -> None:
    assert base64url.encode(raw) == written(raw)
    assert base64url.decode(base64url.encode(raw)) == raw
    assert base64url.decode(bytearray(base64url.encode(raw), "ascii")) == raw


@pytest.mark.parametrize(("text", "before"), [("", b""), ("QUJD", b"ABC")])
def test_one_byte_has_one_text_of_all_pairs_of_last_characters(text: str, before: bytes) -> None:
    canonical = {written(bytes([byte])): bytes([byte]) for byte in range(256)}
    for pair in map("".join, product(ALPHABET, repeat=2)):
        expected = before + canonical[pair] if pair in canonical else None
        assert base64url.decode(text + pair) == expected
    assert len(canonical) == 256


def test_two_bytes_have_one_text_whatever_the_last_character() -> None:
    for first, second in product((0, 1, 0x7F, 0xFE, 0xFF), range(256)):
        raw = bytes([first, second])
        text = written(raw)
        accepted = [last for last in ALPHABET if base64url.decode(text[:-1] + last) == raw]
        assert accepted == [text[-1]]
        every = [last for last in ALPHABET if base64url.decode(text[:-1] + last) is not None]
        assert len(every) == 16  # of 64: the other characters set bits that belong to no byte


@pytest.mark.parametrize(("theirs", "ours"), [("+", "-"), ("/", "_")])
@pytest.mark.parametrize("length", [2, 3, 4, 6, 7, 8])
def test_the_characters_of_plain_base64_are_refused_at_every_place(
    theirs: str, ours: str, length: int
) -> None:
    for place in range(length):
        text = "A" * place + ours + "A" * (length - place - 1)
        assert base64url.decode(text) is not None or place == length - 1
        assert base64url.decode(text.replace(ours, theirs)) is None


@pytest.mark.parametrize(
    "text", ["QQ==", "QQ=", "QUI=", "=", "A", "QUJDQ", "QU JD", "QUJD\n", "QUJD.", "ä", "\udc80"]
)
def test_padding_spaces_and_impossible_lengths_are_refused(text: str) -> None:
    assert base64url.decode(text) is None


@given(st.text(ALPHABET + "+/=\n ", max_size=12))
def test_no_two_texts_stand_for_the_same_bytes(text: str) -> None:
    raw = base64url.decode(text)
    assert raw is None or base64url.encode(raw) == text


def test_nothing_is_the_text_of_nothing() -> None:
    assert base64url.decode("") == b""

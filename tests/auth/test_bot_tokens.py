import contextlib
import re
import zlib
from uuid import UUID

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from app.auth.bot_token import BOT_TOKEN_PATTERN, ParsedBotToken, looks_like_bot_token, parse
from app.auth.errors import Unauthenticated
from app.custody.bot_token import mint, token_hash
from botkeys.sealing.secret import Secret
from tests.auth.conftest import patient

ACCOUNT = UUID("11111111-2222-5333-8444-555555555555")
BOT = UUID("0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b")
HMAC_KEY = bytes(range(32))
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ZERO = UUID(int=0)
LAST = UUID(int=2**128 - 1)

tokens = st.builds(
    lambda account, bot, random: mint(account, bot, lambda _: random).reveal(),
    st.uuids(),
    st.uuids(),
    st.binary(min_size=32, max_size=32),
)


def with_checksum(text: str) -> str:
    """Append an independently computed checksum, as a forger would."""
    number, digits = zlib.crc32(text.encode()), ""
    while number:
        number, digit = divmod(number, 62)
        digits = ALPHABET[digit] + digits
    return text + digits.rjust(6, "0")


@patient
@given(st.uuids(), st.uuids(), st.binary(min_size=32, max_size=32))
@example(ZERO, ZERO, bytes(32))
@example(LAST, LAST, b"\xff" * 32)
def test_a_minted_token_is_read_back(account: UUID, bot: UUID, random: bytes) -> None:
    token = mint(account, bot, lambda _: random).reveal()
    assert parse(token) == ParsedBotToken(account, bot)
    assert len(token) == 96
    assert re.fullmatch(BOT_TOKEN_PATTERN, token)


def test_the_format_is_the_documented_one() -> None:
    token = mint(ACCOUNT, BOT, lambda size: b"\x07" * size).reveal()
    number = int.from_bytes(ACCOUNT.bytes + BOT.bytes + b"\x07" * 32, "big")
    assert sum(ALPHABET.index(c) * 62**i for i, c in enumerate(reversed(token[4:90]))) == number
    assert token == with_checksum(token[:90])
    assert mint(ZERO, ZERO, bytes).reveal() == with_checksum("bkb_" + "0" * 86)


def test_two_tokens_of_one_bot_differ() -> None:
    assert mint(ACCOUNT, BOT).reveal() != mint(ACCOUNT, BOT).reveal()


def test_a_broken_source_of_random_bytes_mints_nothing() -> None:
    with pytest.raises(ValueError, match="random"):
        mint(ACCOUNT, BOT, lambda _: b"short")


@patient
@given(tokens, st.integers(0, 95), st.characters())
def test_any_one_character_changed_is_refused(token: str, at: int, character: str) -> None:
    assume(token[at] != character)
    with pytest.raises(Unauthenticated):
        parse(token[:at] + character + token[at + 1 :])


@patient
@given(tokens, st.integers(0, 94))
def test_two_neighbours_swapped_are_refused(token: str, at: int) -> None:
    swapped = token[:at] + token[at + 1] + token[at] + token[at + 2 :]
    assume(swapped != token)
    with pytest.raises(Unauthenticated):
        parse(swapped)


@patient
@given(tokens, st.integers(0, 95))
def test_a_token_cut_off_or_lengthened_is_refused(token: str, at: int) -> None:
    for other in (token[:at], token[:at] + token[at + 1 :], token[:at] + "0" + token[at:]):
        if other != token:
            with pytest.raises(Unauthenticated):
                parse(other)
    with pytest.raises(Unauthenticated):
        parse(token + "\n")


def test_a_number_too_large_for_its_64_bytes_is_refused_despite_its_checksum() -> None:
    with pytest.raises(Unauthenticated):
        parse(with_checksum("bkb_" + "z" * 86))
    largest = mint(LAST, LAST, lambda size: b"\xff" * size).reveal()
    last = ALPHABET[ALPHABET.index(largest[89]) + 1]
    with pytest.raises(Unauthenticated):
        parse(with_checksum(largest[:89] + last))


@patient
@given(st.one_of(st.text(), st.text().map("bkb_".__add__), st.from_regex(BOT_TOKEN_PATTERN)))
@example(with_checksum("bkb_" + "z" * 86))
@example("bkb_" + "٣" * 92)
@example("bkb_" + "\ud800" * 92)
def test_reading_raises_nothing_but_unauthenticated(text: str) -> None:
    with contextlib.suppress(Unauthenticated):
        assert parse(text)


@patient
@given(tokens)
def test_what_is_read_could_have_been_minted(token: str) -> None:
    number = sum(ALPHABET.index(c) * 62**i for i, c in enumerate(reversed(token[4:90])))
    random = number.to_bytes(64, "big")[32:]
    parsed = parse(token)
    assert mint(parsed.account_id, parsed.bot_id, lambda _: random).reveal() == token


def test_the_hash_is_over_the_whole_token_and_needs_the_key() -> None:
    token = mint(ACCOUNT, BOT)
    stored = token_hash(HMAC_KEY, token)
    assert len(stored) == 32
    assert stored == token_hash(HMAC_KEY, token.reveal())
    assert token_hash(HMAC_KEY, token) == stored
    assert token_hash(bytes(32), token) != stored
    assert token_hash(HMAC_KEY, mint(ACCOUNT, BOT)) != stored


def test_a_hash_moved_to_another_bot_matches_no_token_of_that_bot() -> None:
    def same_random(size: int) -> bytes:
        return b"\x01" * size

    stored = token_hash(HMAC_KEY, mint(ACCOUNT, BOT, same_random))
    assert token_hash(HMAC_KEY, mint(ACCOUNT, ZERO, same_random)) != stored


def test_a_leak_scanner_finds_a_token_in_other_text() -> None:
    token = mint(ACCOUNT, BOT).reveal()
    for text in (f'TOKEN="{token}"', f"curl -H 'Authorization: Bearer {token}' x", f"{token}\n"):
        assert re.findall(BOT_TOKEN_PATTERN, text) == [token]
    assert re.findall(BOT_TOKEN_PATTERN, f"x{token} {token}x") == []


def test_a_minted_token_comes_in_its_box() -> None:
    token = mint(ACCOUNT, BOT)
    assert isinstance(token, Secret)
    assert "bkb_" not in repr(token)
    assert looks_like_bot_token(token.reveal())
    assert not looks_like_bot_token("eyJhbGciOiJFUzI1NiJ9.e30.x")

from hypothesis import given
from hypothesis import strategies as st

from app.custody.fingerprint import account_hash, fingerprint, mask
from botkeys.exchanges.model import Environment
from botkeys.sealing.boxes import SecretBytes
from botkeys.sealing.secret import Secret

KEY = SecretBytes(b"k" * 32)
LIVE, TESTNET = Environment.LIVE, Environment.TESTNET


@given(text=st.text(max_size=100))
def test_a_mask_shows_a_third_at_most_and_four_characters_at_an_end(text: str) -> None:
    masked = mask(Secret(text))
    start, end = masked[: len(masked) // 2], masked[len(masked) // 2 + 1 :]
    assert masked == f"{start}…{end}"
    assert len(start) == len(end) <= 4
    assert text.startswith(start)
    assert text.endswith(end)
    assert (len(start) + len(end)) * 3 <= len(text)


@given(text=st.text(alphabet="abcdef…", max_size=60))
def test_the_length_of_a_mask_follows_the_documented_table(text: str) -> None:
    table = {range(6): 0, range(6, 12): 1, range(12, 18): 2, range(18, 24): 3, range(24, 61): 4}
    shown = next(shown for lengths, shown in table.items() if len(text) in lengths)
    assert mask(Secret(text)) == f"{text[:shown]}…{text[len(text) - shown :]}"


def test_masks_of_common_lengths() -> None:
    assert mask(Secret("abcdefghijklmnopqrstuvwxyz")) == "abcd…wxyz"
    assert mask(Secret("abcdefghijklmnopqr")) == "abc…pqr"
    assert mask(Secret("abcdefgh")) == "a…h"
    assert mask(Secret("abcde")) == "…"
    assert mask(Secret("")) == "…"


def test_the_same_key_has_the_same_fingerprint_and_any_difference_another() -> None:
    base = fingerprint(KEY, "okx", LIVE, Secret("one"))
    assert base == fingerprint(KEY, "okx", LIVE, Secret("one"))
    assert len(base) == 32
    others = {
        fingerprint(SecretBytes(b"l" * 32), "okx", LIVE, Secret("one")),
        fingerprint(KEY, "binance", LIVE, Secret("one")),
        fingerprint(KEY, "okx", TESTNET, Secret("one")),
        fingerprint(KEY, "okx", LIVE, Secret("two")),
        account_hash(KEY, "okx", LIVE, "one"),
    }
    assert len(others) == 5
    assert base not in others


def test_an_exchange_account_has_one_hash_for_each_environment() -> None:
    assert account_hash(KEY, "okx", LIVE, "42") == account_hash(KEY, "okx", LIVE, "42")
    assert account_hash(KEY, "okx", LIVE, "42") != account_hash(KEY, "okx", TESTNET, "42")


def test_text_without_a_utf8_form_has_a_fingerprint_and_no_error_that_quotes_it() -> None:
    assert len(fingerprint(KEY, "okx", LIVE, Secret("PLANTED\ud800"))) == 32

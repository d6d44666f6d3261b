from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botkeys.exchanges.model import Environment
from botkeys.sealing.binding import Binding, encode

fields = st.lists(st.text(max_size=20), max_size=6)


def test_a_binding_is_its_label_and_fields_with_their_lengths() -> None:
    assert encode("botkeys/seal/1", "ab", "", "ü") == (
        b"botkeys/seal/1\x00\x02ab\x00\x00\x00\x02\xc3\xbc"
    )


@given(one=fields, other=fields)
def test_two_lists_of_fields_share_a_form_only_if_they_are_equal(
    one: list[str], other: list[str]
) -> None:
    assert (encode("label", *one) == encode("label", *other)) == (one == other)


@given(text=st.text(alphabet="ab", min_size=2, max_size=12), cut=st.integers(0, 12))
def test_moving_text_from_one_field_to_the_next_changes_the_form(text: str, cut: int) -> None:
    cut = min(cut, len(text) - 1)
    assert encode("label", text[:cut], text[cut:]) != encode("label", text, "")


def test_a_field_too_long_for_its_length_is_refused() -> None:
    assert len(encode("label", "x" * 0xFFFF)) == 5 + 2 + 0xFFFF
    with pytest.raises(ValueError, match="65535"):
        encode("label", "x" * 0x10000)


def test_the_fields_stand_in_the_documented_order(binding: Binding, bot_id: UUID) -> None:
    account, key = str(binding.account_id), str(binding.key_id)
    tail = (key, "3", "okx", "testnet")
    assert binding.seal_data() == encode("botkeys/seal/1", account, *tail)
    assert binding.data_key_info(7) == encode("botkeys/data-key/1", account, *tail, "7")
    assert binding.release_info(bot_id) == encode("botkeys/release/1", account, str(bot_id), *tail)


def test_an_upper_case_uuid_binds_like_its_lower_case_form(binding: Binding) -> None:
    shouted = replace(binding, key_id=UUID(str(binding.key_id).upper()))
    assert shouted.seal_data() == binding.seal_data()


@given(
    account=st.uuids(),
    key=st.uuids(),
    version=st.integers(1, 2**40),
    exchange=st.sampled_from(["okx", "binance"]),
    environment=st.sampled_from(Environment),
)
def test_the_three_uses_of_one_binding_never_share_a_form(
    account: UUID, key: UUID, version: int, exchange: str, environment: Environment
) -> None:
    bound = Binding(account, key, version, exchange, environment)
    assert len({bound.seal_data(), bound.data_key_info(1), bound.release_info(key)}) == 3

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.custody.bot_token import mint
from botkeys.client.errors import MalformedToken
from botkeys.client.token import parse_token
from botkeys.sealing.secret import Secret


@given(account=st.uuids(), bot=st.uuids(), random=st.binary(min_size=32, max_size=32))
def test_the_client_reads_what_the_service_mints(account: UUID, bot: UUID, random: bytes) -> None:
    ids = parse_token(mint(account, bot, lambda _: random))
    assert (ids.account_id, ids.bot_id) == (account, bot)


@given(data=st.data(), account=st.uuids(), bot=st.uuids())
def test_one_wrong_character_is_found(data: st.DataObject, account: UUID, bot: UUID) -> None:
    text = mint(account, bot, lambda count: b"r" * count).reveal()
    position = data.draw(st.integers(0, len(text) - 1))
    wrong = data.draw(st.sampled_from("0Az_ \n-é").filter(lambda c: c != text[position]))
    with pytest.raises(MalformedToken):
        parse_token(Secret(text[:position] + wrong + text[position + 1 :]))


@pytest.mark.parametrize("change", [lambda t: t[:-1], lambda t: t + "0", lambda _: "", str.upper])
def test_a_token_of_another_shape_is_refused(change: "type[str]") -> None:
    text = mint(UUID(int=1), UUID(int=2)).reveal()
    with pytest.raises(MalformedToken):
        parse_token(Secret(change(text)))


def test_a_number_past_512_bits_is_refused_though_its_checksum_holds() -> None:
    # "bkb_" and 86 times "z" with its proper checksum.
    with pytest.raises(MalformedToken):
        parse_token(Secret("bkb_" + "z" * 86 + "0mIwqY"))


def test_the_error_quotes_nothing_of_the_token() -> None:
    text = mint(UUID(int=1), UUID(int=2)).reveal()[:-1]
    with pytest.raises(MalformedToken) as caught:
        parse_token(Secret(text))
    assert text[4:20] not in str(caught.value)

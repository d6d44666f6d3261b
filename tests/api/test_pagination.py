"""Cursors are opaque, exact and tied to one list with its filters; nothing else is accepted."""

from string import ascii_letters, digits
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.pagination import IdCursors, NumberCursors, TextCursors
from app.errors import InvalidRequest

IDS = IdCursors("keys", environment="live", key_id=None)
TEXTS = TextCursors("assets")


def written(cursors: Any, place: Any) -> str:
    cursor = cursors.following(place)
    assert isinstance(cursor, str)
    return cursor


@given(st.uuids())
def test_a_cursor_leads_back_to_its_row(row_id: UUID) -> None:
    cursor = written(IDS, row_id)

    assert IDS.after(cursor) == row_id
    assert len(cursor) == 32
    assert all(character.isalnum() or character in "-_" for character in cursor)


@given(st.text(max_size=60))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        IDS.after(text)


@pytest.mark.parametrize("ending", ["=", "==", " ", "\n", "A", "AAAA", "é", "\0"])
def test_a_cursor_with_something_added_is_none(ending: str) -> None:
    cursor = written(IDS, UUID(int=7))

    with pytest.raises(InvalidRequest):
        IDS.after(cursor + ending)


@pytest.mark.parametrize("place", ["XBTUS", "XBTUSD", "XBTUSDT"])
def test_no_other_last_character_makes_a_cursor_not_even_of_the_same_bits(place: str) -> None:
    cursor = written(TEXTS, place)
    for last in set(ascii_letters + digits + "-_") - {cursor[-1]}:
        with pytest.raises(InvalidRequest):
            TEXTS.after(cursor[:-1] + last)


def test_no_cursor_is_the_first_page_and_no_place_the_last() -> None:
    assert IDS.after(None) is None
    assert IDS.following(None) is None


@pytest.mark.parametrize(
    "other",
    [
        IdCursors("bots", environment="live", key_id=None),
        IdCursors("keys", environment="testnet", key_id=None),
        IdCursors("keys", environment="live", key_id=UUID(int=1)),
        IdCursors("keys"),
        NumberCursors("keys", environment="live", key_id=None),
        TextCursors("keys", environment="live", key_id=None),
    ],
    ids=["list", "environment", "key", "filters", "numbers", "texts"],
)
def test_a_cursor_of_another_list_or_of_other_filters_is_refused(other: Any) -> None:
    cursor = written(IDS, UUID(int=0xFF << 120))

    with pytest.raises(InvalidRequest) as refused:
        other.after(cursor)

    (fault,) = refused.value.members["errors"]
    assert (fault["loc"], fault["type"]) == (["query", "cursor"], "cursor_invalid")


@given(st.integers(0, 2**63 - 1))
def test_a_cursor_of_a_number_leads_back_to_its_number(number: int) -> None:
    cursors = NumberCursors("audit-events")
    assert cursors.after(written(cursors, number)) == number


def test_a_number_of_more_bits_is_no_cursor() -> None:
    cursors = NumberCursors("audit-events")
    with pytest.raises(InvalidRequest):
        cursors.after(written(cursors, 2**63))


@given(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=100))
def test_a_cursor_of_text_leads_back_to_its_text(text: str) -> None:
    cursor = written(TEXTS, text)
    assert len(cursor) <= 1200
    assert TEXTS.after(cursor) == text


def test_what_the_database_cannot_hold_is_no_cursor_of_text() -> None:
    with pytest.raises(InvalidRequest):
        TEXTS.after(written(TEXTS, "a\0b"))

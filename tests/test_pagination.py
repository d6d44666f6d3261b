"""Cursors: opaque, exact, and nothing else is one."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidRequest
from app.pagination import (
    decode_cursor,
    decode_text_cursor,
    encode_cursor,
    encode_text_cursor,
)


@given(st.uuids())
def test_a_cursor_leads_back_to_its_row(row_id: UUID) -> None:
    cursor = encode_cursor(row_id)

    assert decode_cursor(cursor) == row_id
    assert len(cursor) == 22
    assert all(character.isalnum() or character in "-_" for character in cursor)


@given(st.text(max_size=60))
def test_any_other_text_is_refused_or_is_the_one_writing_of_a_row(text: str) -> None:
    try:
        row_id = decode_cursor(text)
    except InvalidRequest:
        return
    assert row_id is not None
    assert encode_cursor(row_id) == text


@pytest.mark.parametrize("ending", ["=", "==", " ", "\n", "A", "é", "\0"])
def test_a_cursor_with_something_added_is_none(ending: str) -> None:
    cursor = encode_cursor(UUID(int=7))

    with pytest.raises(InvalidRequest):
        decode_cursor(cursor + ending)


def test_another_writing_of_the_same_bits_is_no_cursor() -> None:
    cursor = encode_cursor(UUID(int=0))
    assert cursor.endswith("A")

    with pytest.raises(InvalidRequest):
        decode_cursor(cursor[:-1] + "B")


def test_no_cursor_is_the_first_page() -> None:
    assert decode_cursor(None) is None


@given(st.text(min_size=1, max_size=60).filter(str.isprintable))
def test_a_cursor_of_text_leads_back_to_its_text(text: str) -> None:
    assert decode_text_cursor(encode_text_cursor(text)) == text


@given(st.text(max_size=60) | st.uuids().map(encode_cursor))
def test_anything_else_is_no_cursor_of_text(text: str) -> None:
    try:
        found = decode_text_cursor(text)
    except InvalidRequest:
        return
    assert found is not None
    assert encode_text_cursor(found) == text


def test_what_the_database_cannot_hold_is_no_cursor_of_text() -> None:
    with pytest.raises(InvalidRequest):
        decode_text_cursor(encode_text_cursor("a\0b"))

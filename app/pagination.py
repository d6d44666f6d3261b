"""Keyset pages: an opaque cursor that says after which row the next page begins."""

import base64
import binascii
from typing import Annotated
from uuid import UUID

import orjson
from fastapi import Query

from app.errors import InvalidRequest

MAX_LIMIT = 200
DEFAULT_LIMIT = 50
_LARGEST_NUMBER = 2**63 - 1

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many items at most.")]
Cursor = Annotated[
    str | None,
    Query(max_length=500, description="`next_cursor` of the page before; omit for the first."),
]


def encode_cursor(row_id: UUID) -> str:
    return base64.urlsafe_b64encode(row_id.bytes).rstrip(b"=").decode()


def decode_cursor(cursor: str | None) -> UUID | None:
    """The id after which the page begins. Raises `InvalidRequest` for anything not from here."""
    if cursor is None:
        return None
    try:
        raw = base64.b64decode(cursor + "==", altchars=b"-_", validate=True)
        row_id = UUID(bytes=raw)
    except (binascii.Error, ValueError):
        row_id = None
    if row_id is None or encode_cursor(row_id) != cursor:
        raise foreign_cursor()
    return row_id


def encode_number_cursor(number: int) -> str:
    """For lists that are ordered by a number of 64 bits."""
    return encode_cursor(UUID(int=number))


def decode_number_cursor(cursor: str | None) -> int | None:
    """As `decode_cursor`; another list's cursor, an id, is refused too."""
    row_id = decode_cursor(cursor)
    if row_id is None:
        return None
    if row_id.int > _LARGEST_NUMBER:
        raise foreign_cursor()
    return row_id.int


def encode_text_cursor(text: str) -> str:
    """For lists that are ordered by a text, in which every character can be seen."""
    return base64.urlsafe_b64encode(orjson.dumps([text])).rstrip(b"=").decode()


def decode_text_cursor(cursor: str | None) -> str | None:
    """As `decode_cursor`; the cursors of other lists are refused too."""
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        found = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        raise foreign_cursor() from None
    match found:
        case [str(text)] if text.isprintable() and encode_text_cursor(text) == cursor:
            return text
        case _:
            raise foreign_cursor()


def foreign_cursor() -> InvalidRequest:
    """The answer to a cursor that this list never gave."""
    fault = {
        "loc": ["query", "cursor"],
        "type": "cursor_invalid",
        "msg": "Not a cursor of this list: use `next_cursor` as it was given",
    }
    return InvalidRequest([fault])

"""Keyset pages: an opaque cursor states after which row the next page begins."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Annotated, Any, Generic, Self, TypeVar
from uuid import UUID

import orjson
from fastapi import Query
from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from app.db.paged_list import SortedPlace
from app.errors import InvalidRequest
from botkeys import base64url

MAX_LIMIT = 200
DEFAULT_LIMIT = 50
_DIGEST = 8
_ID = 16
LARGEST_NUMBER = 2**63 - 1

_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)


def _digits_alone(sent: Any) -> Any:
    if isinstance(sent, str) and not _WHOLE.fullmatch(sent):
        raise PydanticCustomError("int_parsing", "must be a whole number in plain digits")
    return sent


PLAIN_DIGITS = BeforeValidator(_digits_alone)
"""A validator for an `int` in a query, placed last. By default Pydantic also accepts `+5`, ` 5`,
`5.0`, `05`, `1_0` and digits of other scripts.
"""

Limit = Annotated[
    int,
    Query(ge=1, le=MAX_LIMIT, description="The maximum number of items."),
    PLAIN_DIGITS,
]
Cursor = Annotated[
    str | None,
    Query(
        max_length=1200,
        description="`next_cursor` of the previous page, sent with the same filters and the same "
        "order; omit it for the first page.",
    ),
]
Item = TypeVar("Item")
Place = TypeVar("Place")


class Cursors(ABC, Generic[Place]):
    """The cursors of one list, identified by its name and these filters.

    Each cursor begins with a digest of both and of its place. With other filters it would yield a
    page of neither list, so all must be included: path parameters, and the environment as resolved.
    """

    def __init__(self, name: str, **filters: Any) -> None:
        self._name = name
        self._filters = filters

    def after(self, cursor: str | None) -> Place | None:
        """Return the place after which the page begins; raise `InvalidRequest` for any
        other text.
        """
        if cursor is None:
            return None
        raw = base64url.decode(cursor)
        if raw is None:
            raise foreign_cursor()
        try:
            place = self._unpacked(raw[_DIGEST:])
        except ValueError:
            raise foreign_cursor() from None
        if self.following(place) != cursor:
            raise foreign_cursor()
        return place

    def following(self, place: Place | None) -> str | None:
        """Return the cursor of the page after that place, if there is one."""
        if place is None:
            return None
        whose, packed = orjson.dumps((self._name, self._filters)), self._packed(place)
        digest = blake2b(whose + packed, digest_size=_DIGEST).digest()
        return base64url.encode(digest + packed)

    @abstractmethod
    def _packed(self, place: Place) -> bytes:
        """Return the place as bytes."""

    @abstractmethod
    def _unpacked(self, raw: bytes) -> Place:
        """Return the place; raise `ValueError` for bytes that no query could use."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Item, Place]):
    """One page of a list. `next_after` is the place of its last item; `None` on the last page."""

    items: Sequence[Item]
    next_after: Place | None

    @classmethod
    def cut(cls, rows: Sequence[Item], limit: int, place: Callable[[Item], Place]) -> Self:
        """Return the first `limit` rows; one more was read to see whether another page follows."""
        return cls(rows[:limit], place(rows[limit - 1]) if len(rows) > limit else None)

    def envelope(
        self, cursors: Cursors[Place], document: Callable[[Item], Any] | None = None
    ) -> dict[str, Any]:
        """Return the envelope that all lists share. Items without a `document` already are one."""
        items = self.items if document is None else [document(item) for item in self.items]
        return list_envelope(items, cursors.following(self.next_after))


def list_envelope(items: Sequence[Any], next_cursor: str | None) -> dict[str, Any]:
    """Return the members that the response of every list has."""
    return {"items": items, "next_cursor": next_cursor}


class IdCursors(Cursors[UUID]):
    """Cursors of lists that are ordered by id."""

    def _packed(self, place: UUID) -> bytes:
        return place.bytes

    def _unpacked(self, raw: bytes) -> UUID:
        return UUID(bytes=raw)


class SortedCursors(Cursors[SortedPlace]):
    """Cursors of lists in a chosen order, which must be one of the filters."""

    def _packed(self, place: SortedPlace) -> bytes:
        value = place.value
        if isinstance(value, datetime):
            value = [value.astimezone(UTC).isoformat()]
        return place.id.bytes + orjson.dumps(value)

    def _unpacked(self, raw: bytes) -> SortedPlace:
        value = orjson.loads(raw[_ID:])
        if isinstance(value, list):
            value = datetime.fromisoformat(*value)
        elif value is not None:
            value = printable(value.encode())
        return SortedPlace(value, UUID(bytes=raw[:_ID]))


class NumberCursors(Cursors[int]):
    """Cursors of lists that are ordered by a 64-bit number."""

    def _packed(self, place: int) -> bytes:
        return place.to_bytes(8, "big")

    def _unpacked(self, raw: bytes) -> int:
        return min(int.from_bytes(raw, "big"), LARGEST_NUMBER)


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LATEST = (datetime(9999, 12, 31, tzinfo=UTC) - EPOCH) // _MICROSECOND
MOMENT_BYTES = 8
"""The length of a packed time, with which the place in a list that is ordered by time begins."""


def moment_packed(at: datetime) -> bytes:
    return ((at - EPOCH) // _MICROSECOND).to_bytes(MOMENT_BYTES, "big")


def moment_unpacked(raw: bytes) -> datetime:
    """Return the time with which these bytes begin, at the latest the last one that there is."""
    micros = int.from_bytes(raw[:MOMENT_BYTES], "big")
    return EPOCH + min(micros, _LATEST) * _MICROSECOND


class TextCursors(Cursors[str]):
    """Cursors of lists that are ordered by a text of printable characters."""

    def _packed(self, place: str) -> bytes:
        return place.encode()

    def _unpacked(self, raw: bytes) -> str:
        return printable(raw)


def printable(raw: bytes) -> str:
    """Return a text that the database can store; raise `ValueError` for others."""
    text = raw.decode()
    if not text.isprintable():
        raise ValueError("characters that cannot be seen")
    return text


def foreign_cursor() -> InvalidRequest:
    """Return the error for a cursor that this list, with these filters, never returned."""
    fault = {
        "loc": ["query", "cursor"],
        "type": "cursor_invalid",
        "msg": "Not a cursor of this list with these filters in this order: send `next_cursor` "
        "unchanged, with the filters and the `sort` of the previous page",
    }
    return InvalidRequest([fault])

"""Keyset pages: an opaque cursor that says after which row the next page begins."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any, Generic, Self, TypeVar
from uuid import UUID

import orjson
from fastapi import Query

from app.errors import InvalidRequest
from botkeys import base64url

MAX_LIMIT = 200
DEFAULT_LIMIT = 50
_DIGEST = 8
_LARGEST_NUMBER = 2**63 - 1

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="The maximum number of items.")]
Cursor = Annotated[
    str | None,
    Query(
        max_length=1200,
        description="`next_cursor` of the previous page, sent with the same filters; omit it for "
        "the first page.",
    ),
]
Item = TypeVar("Item")
Place = TypeVar("Place")


class Cursors(ABC, Generic[Place]):
    """The cursors of one list: that of the name, narrowed by these filters.

    Each begins with a digest of both and of its place. With other filters it would give a page that
    belongs to neither list, so all must be named: what the path says, and an environment as it was
    resolved.
    """

    def __init__(self, name: str, **filters: Any) -> None:
        self._name = name
        self._filters = filters

    def after(self, cursor: str | None) -> Place | None:
        """The place after which the page begins. Raises `InvalidRequest` for anything else than
        this list's.
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
        """The cursor of the page after that place, if there is one."""
        if place is None:
            return None
        whose, packed = orjson.dumps((self._name, self._filters)), self._packed(place)
        digest = blake2b(whose + packed, digest_size=_DIGEST).digest()
        return base64url.encode(digest + packed)

    @abstractmethod
    def _packed(self, place: Place) -> bytes:
        """The place in bytes."""

    @abstractmethod
    def _unpacked(self, raw: bytes) -> Place:
        """Raises `ValueError` for bytes of which the database could not even be asked."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Item, Place]):
    """One page of a list. `next_after` is the place of its last item; `None` on the last page."""

    items: Sequence[Item]
    next_after: Place | None

    @classmethod
    def cut(cls, rows: Sequence[Item], limit: int, place: Callable[[Item], Place]) -> Self:
        """Return the first `limit` rows. One more was read, to see whether another page follows."""
        return cls(rows[:limit], place(rows[limit - 1]) if len(rows) > limit else None)

    def envelope(
        self, cursors: Cursors[Place], document: Callable[[Item], Any] | None = None
    ) -> dict[str, Any]:
        """Return the page as every list has it. Items without a `document` are documents."""
        items = self.items if document is None else [document(item) for item in self.items]
        return list_envelope(items, cursors.following(self.next_after))


def list_envelope(items: Sequence[Any], next_cursor: str | None) -> dict[str, Any]:
    """Return the members that the answer of every list has."""
    return {"items": items, "next_cursor": next_cursor}


class IdCursors(Cursors[UUID]):
    """For lists that are ordered by id."""

    def _packed(self, place: UUID) -> bytes:
        return place.bytes

    def _unpacked(self, raw: bytes) -> UUID:
        return UUID(bytes=raw)


class NumberCursors(Cursors[int]):
    """For lists that are ordered by a number of 64 bits."""

    def _packed(self, place: int) -> bytes:
        return place.to_bytes(8, "big")

    def _unpacked(self, raw: bytes) -> int:
        return min(int.from_bytes(raw, "big"), _LARGEST_NUMBER)


class TextCursors(Cursors[str]):
    """For lists that are ordered by a text, in which every character can be seen."""

    def _packed(self, place: str) -> bytes:
        return place.encode()

    def _unpacked(self, raw: bytes) -> str:
        return printable(raw)


def printable(raw: bytes) -> str:
    """A text that the database can hold. Raises `ValueError` for others."""
    text = raw.decode()
    if not text.isprintable():
        raise ValueError("characters that cannot be seen")
    return text


def foreign_cursor() -> InvalidRequest:
    """The answer to a cursor that this list, with these filters, never gave."""
    fault = {
        "loc": ["query", "cursor"],
        "type": "cursor_invalid",
        "msg": "Not a cursor of this list with these filters: send `next_cursor` unchanged, with "
        "the filters of the previous page",
    }
    return InvalidRequest([fault])

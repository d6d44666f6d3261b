"""Writes the documents of a list as lines of CSV (RFC 4180) or NDJSON."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from app.kit.json_codec import dumps
from botkeys.decimals import plain

_FORMULA = "=+\\-@＝＋－＠"  # noqa: RUF001  # as typed
"""The characters that make a spreadsheet treat text as a formula, full-width ones included."""
_BEGINS = f"^(?='*[{_FORMULA}\\t\\r\\n])"
_BEFORE = '(?P<before>[;\\t\\r\\n]["\\s]{0,8})'
_REST = f"(?P<rest>'*[{_FORMULA}])"
_CELL = re.compile(f"{_BEGINS}|{_BEFORE}{_REST}")
"""Where a cell begins, also for a program that splits lines at semicolons or tabs.

Apostrophes before a formula get one more, so that `unquoted` gives each text back.
"""
_QUOTED = re.compile(f"^'{_BEGINS.removeprefix('^')}|{_BEFORE}'{_REST}")

Document = dict[str, Any]


class Lines(Protocol):
    def begin(self) -> bytes:
        """Return what precedes the first document."""

    def write(self, documents: Iterable[Document]) -> bytes:
        """Return one line for each document."""


class NdjsonLines:
    """NDJSON: the same documents as in the list's JSON, one on each line."""

    def begin(self) -> bytes:
        return b""

    def write(self, documents: Iterable[Document]) -> bytes:
        return b"".join(dumps(document) + b"\n" for document in documents)


class CsvLines:
    """CSV: a header, then a line for each document. Null and an empty list are empty cells.

    Every cell is quoted. Text that a spreadsheet would treat as a formula is prefixed with an
    apostrophe, as are apostrophes before one: bots choose names and symbols. So is what follows a
    semicolon, a tab or a line break within it, where a program with another separator begins a
    cell. Numbers are not prefixed, whatever their sign.
    """

    def __init__(self, members: Sequence[str]) -> None:
        self._members = members

    def begin(self) -> bytes:
        return _csv([["id", "bot_id", "bot_name", "key_id", "key_label", *self._members]])

    def write(self, documents: Iterable[Document]) -> bytes:
        return _csv(map(_cell, self._values(document)) for document in documents)

    def _values(self, document: Document) -> Iterator[Any]:
        yield document["id"]
        for name, label in (("bot", "name"), ("key", "label")):
            named = document[name] or {}
            yield named.get("id")
            yield named.get(label)
        for member in self._members:
            yield document[member]


def _quoted(text: str) -> str:
    return _CELL.sub(r"\g<before>'\g<rest>", text)


def unquoted(cell: str) -> str:
    """Return the text that `CsvLines` has written as this cell."""
    return _QUOTED.sub(r"\g<before>\g<rest>", cell)


def _csv(rows: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n", quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if value == []:
        return ""
    if isinstance(value, bool | dict | list):
        return _quoted(dumps(value).decode())
    return "" if value is None else str(value)

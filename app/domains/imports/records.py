"""Cuts a file into records while it arrives: JSON, NDJSON or CSV, in bounded memory.

A file that cannot be cut is `Malformed` as a whole. What a record means is up to its format.
"""

import codecs
import csv
import json
import re
from collections.abc import Collection, Generator, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

LONGEST_RECORD = 64 * 1024
"""The most characters of a record."""

LONGEST_OTHER = 1024 * 1024
"""The most characters of a value beside the records of a JSON file, which is passed over."""

_SPACE = re.compile(r"[ \t\r\n]*")
_LEAST_MORE = 1024

Path = tuple[str, ...]


class Malformed(Exception):
    """The file cannot be read beyond this place. `sentence` names the place and the fault."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class Record(NamedTuple):
    """A record. `line` counts lines from 1, in JSON items. It is no object without `members`."""

    line: int
    members: dict[str, Any] | None


class Records(Protocol):
    def feed(self, chunk: bytes) -> Iterator[Record]:
        """Yield the records that end in this part of the file. Raises `Malformed`."""

    def end(self) -> Iterator[Record]:
        """Yield what is left at the end of the file. Raises `Malformed`."""


class _Text:
    """The characters of the file, without a byte order mark."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("strict")

    def decode(self, chunk: bytes, *, final: bool = False) -> str:
        try:
            text = self._decoder.decode(chunk, final)
        except UnicodeDecodeError:
            raise Malformed("The file is not encoded in UTF-8.") from None
        if "\0" in text:
            raise Malformed("The file contains a NUL character.")
        return text


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


# Decimals stay as they are written: a float would round them.
_DECODER = json.JSONDecoder(parse_float=str, parse_constant=_refuse_constant)


class _Lines:
    """The complete lines of the file, with their numbers."""

    def __init__(self) -> None:
        self._text = _Text()
        self._rest = ""
        self.number = 0
        self._is_open = False

    def check_whole(self) -> None:
        """Raise `Malformed` for a line that is no record if the file ends in it."""
        if self._is_open:
            raise Malformed(f"The file ends in the middle of line {self.number}.")

    def feed(self, chunk: bytes, *, final: bool = False) -> Iterator[str]:
        text = self._text.decode(chunk, final=final)
        *lines, rest = text.split("\n")
        if lines:
            lines[0] = self._rest + lines[0]
            self._rest = rest
        else:
            self._rest += rest
        for line in lines:
            yield self._counted(line)
        if final and self._rest:
            self._is_open = True
            yield self._counted(self._rest)
        elif len(self._rest) > LONGEST_RECORD:
            self._counted(self._rest)

    def _counted(self, line: str) -> str:
        self.number += 1
        if len(line) > LONGEST_RECORD:
            raise Malformed(
                f"Line {self.number} has more than {LONGEST_RECORD} characters. A record must "
                "stand on one line."
            )
        return line.removesuffix("\r")


class NdjsonRecords:
    """One JSON object on each line; empty lines are skipped."""

    def __init__(self) -> None:
        self._lines = _Lines()

    def feed(self, chunk: bytes) -> Iterator[Record]:
        return self._records(self._lines.feed(chunk))

    def end(self) -> Iterator[Record]:
        return self._records(self._lines.feed(b"", final=True))

    def _records(self, lines: Iterator[str]) -> Iterator[Record]:
        for line in lines:
            if line.strip():
                try:
                    value = _DECODER.decode(line)
                except (ValueError, RecursionError):
                    self._lines.check_whole()
                    value = None
                yield Record(self._lines.number, value if isinstance(value, dict) else None)


class CsvRecords:
    """A header, then a record on each line (RFC 4180) with commas. Empty cells are null.

    The header must have all columns of one of `headers`.
    """

    def __init__(self, *headers: Collection[str]) -> None:
        self._lines = _Lines()
        self._headers = headers
        self._header: list[str] | None = None

    def feed(self, chunk: bytes) -> Iterator[Record]:
        return self._records(self._lines.feed(chunk))

    def end(self) -> Iterator[Record]:
        yield from self._records(self._lines.feed(b"", final=True))
        if self._header is None:
            raise Malformed("The file is empty: a header was expected.")

    def _records(self, lines: Iterator[str]) -> Iterator[Record]:
        for line in lines:
            if not line.strip():
                continue
            cells = self._cells(line)
            if self._header is None:
                self._header = self._checked(cells)
            elif cells is None or len(cells) != len(self._header):
                if cells is None or len(cells) < len(self._header):
                    self._lines.check_whole()
                yield Record(self._lines.number, None)
            else:
                named = zip(self._header, cells, strict=True)
                members: dict[str, Any] = {name: cell or None for name, cell in named}
                yield Record(self._lines.number, members)

    @staticmethod
    def _cells(line: str) -> list[str] | None:
        # A line may not begin in the middle of a quoted cell: cells with line breaks have no place.
        try:
            return next(csv.reader([line], strict=True))
        except (csv.Error, StopIteration):
            return None

    def _checked(self, cells: list[str] | None) -> list[str]:
        header = [] if cells is None else [cell.strip() for cell in cells]
        if len(set(header)) != len(header):
            raise Malformed("The header of the file names a column twice.")
        missing = min((sorted(set(needed) - set(header)) for needed in self._headers), key=len)
        if missing:
            raise Malformed(
                f"The header of the file lacks the columns {', '.join(missing)}. The first line "
                "must name the columns, separated by commas."
            )
        return header


class JsonRecords:
    """The items of one array: the whole document, or the member at one of `paths`.

    In a path, `*` stands for any member.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._decoder = _Text()
        self._text = ""
        self._at = 0
        self._ended = False
        self._enough = 0
        self._items = 0
        self._found = False
        self._parser = self._document()

    def feed(self, chunk: bytes) -> Iterator[Record]:
        yield from self._more(self._decoder.decode(chunk))

    def end(self) -> Iterator[Record]:
        self._ended = True
        yield from self._more(self._decoder.decode(b"", final=True))
        if not self._found:
            raise Malformed(f"The file has no array of trades. Expected: {self._expected()}.")

    def _expected(self) -> str:
        named = (f"an array in `{'.'.join(path)}`" for path in self._paths)
        return " or ".join(["an array", *named])

    def _more(self, text: str) -> Iterator[Record]:
        self._text = self._text[self._at :] + text
        self._at = 0
        # Looking again at a value that is not complete yet costs its length: wait until it doubled.
        if len(self._text) < self._enough and not self._ended:
            return
        self._enough = 0
        for record in self._parser:
            if record is None:
                return
            yield record

    def _document(self) -> Generator[Record | None, None, None]:
        yield from self._space()
        if self._peek() == "[":
            yield from self._array()
        else:
            yield from self._value(())
        yield from self._space()
        if self._at < len(self._text):
            raise self._malformed()
        while True:
            yield from self._space()
            if self._at < len(self._text):
                raise self._malformed()
            yield None

    def _value(self, path: Path) -> Generator[Record | None, None, None]:
        mark = self._peek()
        if mark == "[" and any(_matches(path, wanted) for wanted in self._paths):
            yield from self._array()
        elif mark == "{" and any(
            len(path) < len(wanted) and _matches(path, wanted[: len(path)])
            for wanted in self._paths
        ):
            yield from self._object(path)
        else:
            yield from self._whole(LONGEST_OTHER)

    def _object(self, path: Path) -> Generator[Record | None, None, None]:
        self._at += 1
        yield from self._space()
        if self._peek() == "}":
            self._at += 1
            return
        while True:
            name = yield from self._whole()
            if not isinstance(name, str):
                raise self._malformed()
            yield from self._mark(":")
            yield from self._space()
            yield from self._value((*path, name))
            if (yield from self._mark(",}")) == "}":
                return
            yield from self._space()

    def _array(self) -> Generator[Record | None, None, None]:
        self._found = True
        self._at += 1
        yield from self._space()
        if self._peek() == "]":
            self._at += 1
            return
        while True:
            value = yield from self._whole()
            self._items += 1
            yield Record(self._items, value if isinstance(value, dict) else None)
            if (yield from self._mark(",]")) == "]":
                return
            yield from self._space()

    def _whole(self, most: int = LONGEST_RECORD) -> Generator[Record | None, None, Any]:
        """Return the next value whole."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except RecursionError:
                raise self._malformed() from None
            except ValueError:
                if self._ended or len(self._text) - self._at > most:
                    raise self._malformed() from None
            else:
                if end - self._at > most:
                    raise self._malformed()
                # A number at the end may go on.
                if end < len(self._text) or self._ended or self._text[end - 1] in '"}]':
                    self._at = end
                    return value
            left = len(self._text) - self._at
            self._enough = min(left + max(_LEAST_MORE, left), most + 1)
            yield None

    def _mark(self, marks: str) -> Generator[Record | None, None, str]:
        yield from self._space()
        mark = self._peek()
        if mark not in marks:
            raise self._malformed()
        self._at += 1
        return mark

    def _space(self) -> Generator[Record | None, None, None]:
        """Skip white space, until something follows or the file ends."""
        while True:
            found = _SPACE.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text) or self._ended:
                return
            yield None

    def _peek(self) -> str:
        if self._at >= len(self._text):
            raise Malformed("The file ends in the middle of a JSON document.")
        return self._text[self._at]

    def _malformed(self) -> Malformed:
        return Malformed(
            f"The file is not valid JSON after item {self._items}, or has a value there "
            f"that is too long: an item may have {LONGEST_RECORD} characters."
        )


def _matches(path: Path, wanted: Path) -> bool:
    return len(path) == len(wanted) and all(
        name in (part, "*") for part, name in zip(path, wanted, strict=True)
    )

"""Decodes JSON that a caller sent, within bounds that keep it and what it causes cheap.

A body of a few megabytes may hold millions of values, and each costs far more to check and to
refuse than to send. So they are counted before the parser makes any of them.
"""

import json
import re
from itertools import chain
from typing import Any

import orjson

from app.kit.json_codec import SAFE_DIGITS, Rounded

MAX_VALUES = 100_000
"""The most values in a document, members of objects and items of arrays alike."""

MAX_MEMBERS = 200
"""The most members of one object."""

MAX_DEPTH = 32
"""The most objects and arrays within each other; free-form data may use 20 of them."""

MAX_NUMBER = 128
"""The most characters of one number: reading one takes longer with the square of its length."""

_STRUCTURE = b'"[]{},'
_BUT_STRUCTURE = bytes(set(range(256)) - set(_STRUCTURE))
_BUT_NESTING = bytes(set(range(256)) - set(_STRUCTURE) | {ord(",")})
_STRING = re.compile(rb'"[^"]*"')
_MAX_QUOTES = 4 * MAX_VALUES
"""Two of each value, and two of its name if it is a member."""

_NESTED = re.compile(rb'":\s*+(?:\{|-?[0-9]++[.eE])')
_HEAD = 4096
"""How far a document is looked at for objects and fractions, which the items of a batch share."""
_SCALARS = {str, int, bool, type(None)}
_LONG = 16 * 1024
"""From how many bytes on it is worth trying whether a document is plain."""

_BYTE_ORDER_MARK = "\ufeff"


class OutOfBounds(ValueError):
    """A document that exceeds a bound; `kind` is a word for programs, the message a sentence.

    Neither repeats anything of the document.
    """

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__(message)


def loads(sent: bytes) -> Any:
    """Parse UTF-8 like `json.loads`, with the same errors, but keep track of rounding.

    A number with a point or an exponent and more digits than a float preserves becomes `Rounded`:
    after parsing, nothing else shows it. Raises `OutOfBounds`, also for a member named twice, of
    which parsers keep different ones.
    """
    if len(sent) >= _LONG and not _NESTED.search(sent, 0, _HEAD):
        plain = _plain(sent)
        if plain is not None:
            return plain
    if sent.count(b"{") + sent.count(b"[") > MAX_DEPTH or len(sent) > MAX_VALUES:
        _check_size(sent)
    return _DECODER.decode(sent.decode().removeprefix(_BYTE_ORDER_MARK))


def _plain(sent: bytes) -> dict[str, Any] | None:
    """Parse what most batches are, an object that holds lists of objects of texts, in half the
    time.

    Returns `None` unless the result is certain to be the careful parser's. Without a backslash,
    quotation marks stand around names and texts and nowhere else, so if all of them are found
    again, no name was sent twice.
    """
    if b"\\" in sent or sent.count(b",") + sent.count(b"{") + sent.count(b"[") >= MAX_VALUES:
        return None
    try:
        document = orjson.loads(sent)
    except orjson.JSONDecodeError:
        return None
    if type(document) is not dict:
        return None
    own = [value for value in document.values() if type(value) is not list]
    items = list(chain.from_iterable(lists for lists in document.values() if type(lists) is list))
    if set(map(type, items)) != {dict}:
        return None
    kinds = list(map(type, chain(own, chain.from_iterable(map(dict.values, items)))))
    sizes = [len(document), *map(len, items)]
    if not set(kinds) <= _SCALARS or max(sizes) > MAX_MEMBERS:
        return None
    return document if sent.count(b'"') == 2 * (sum(sizes) + kinds.count(str)) else None


def _check_size(sent: bytes) -> None:
    """Count values and depth without parsing; text that is no JSON passes or is refused here.

    Every value but the first follows a comma or an opening bracket. Brackets and commas within
    strings do not count.
    """
    if b"\\" in sent:
        sent = sent.replace(b"\\\\", b"").replace(b'\\"', b"")
    if sent.count(b'"') > _MAX_QUOTES:
        raise _too_many_values()
    nesting = _outside_strings(sent, _BUT_NESTING)
    opened = nesting.count(b"{") + nesting.count(b"[")
    # Commas within strings are left out only where they would make the difference.
    if (
        opened + sent.count(b",") >= MAX_VALUES
        and opened + _outside_strings(sent, _BUT_STRUCTURE).count(b",") >= MAX_VALUES
    ):
        raise _too_many_values()
    for _ in range(MAX_DEPTH):
        if not nesting:
            return
        # Marked first, or `[{}]` would lose two levels at once.
        nesting = nesting.replace(b"{}", b",").replace(b"[]", b",").replace(b",", b"")
    if nesting:
        raise OutOfBounds("too_deep", f"must be nested at most {MAX_DEPTH} levels deep")


def _outside_strings(sent: bytes, dropped: bytes) -> bytes:
    """Return what is not dropped and stands outside of strings; no quotation mark is escaped.

    Two quotation marks that meet are left out first, which takes a tenth of the time: it changes
    for no other character whether it is within a string.
    """
    left = sent.translate(None, dropped).replace(b'""', b"")
    return _STRING.sub(b"", left) if b'"' in left else left


def _too_many_values() -> OutOfBounds:
    return OutOfBounds("too_many_values", f"must hold at most {MAX_VALUES} values")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise OutOfBounds("duplicate_member", "must not contain an object with a member twice")
    if len(pairs) > MAX_MEMBERS:
        message = f"must not contain an object with more than {MAX_MEMBERS} members"
        raise OutOfBounds("too_many_members", message)
    return members


def _integer(text: str) -> int:
    if len(text) > MAX_NUMBER:
        raise _number_too_long()
    return int(text)


def _fraction(text: str) -> float:
    size = len(text)
    if size > MAX_NUMBER:
        raise _number_too_long()
    if size <= SAFE_DIGITS + 1 and (number := float(text)):
        return number
    digits = text.lower().partition("e")[0].replace(".", "").strip("-0")
    if len(digits) > SAFE_DIGITS:
        return Rounded(text)
    number = float(text)
    return Rounded(number) if digits and not number else number


def _number_too_long() -> OutOfBounds:
    message = f"must not contain a number of more than {MAX_NUMBER} characters"
    return OutOfBounds("number_too_long", message)


_DECODER = json.JSONDecoder(object_pairs_hook=_members, parse_int=_integer, parse_float=_fraction)

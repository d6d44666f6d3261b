"""Strict JSON for documents that decide who a caller is."""

import json
from typing import Any


class NotAnObject(ValueError):
    """The data is not one JSON object in UTF-8. The message reveals nothing of the content."""

    def __init__(self) -> None:
        super().__init__("not a JSON object")


def read_object(data: bytes) -> dict[str, Any]:
    """Parse one JSON object; reject duplicate members, since parsers differ in which one they keep.

    NaN and the infinities, which Python would accept, are rejected, as is nesting that would
    exhaust the stack.
    """
    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_each_once, parse_constant=_no_constant
        )
    except (ValueError, RecursionError):
        raise NotAnObject from None
    if not isinstance(value, dict):
        raise NotAnObject
    return value


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotAnObject
    return members


def _no_constant(_: str) -> None:
    raise NotAnObject

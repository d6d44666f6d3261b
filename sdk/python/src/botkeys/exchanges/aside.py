"""Reads long answers beside the event loop, so that everything else on it goes on meanwhile.

A listing of several megabytes takes a second to parse. A thread alone would not help: the parser
holds the interpreter until it is done. So it pauses after every few objects, for as long as others
need.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ParamSpec, TypeVar

LONG_BYTES = 128 * 1024
LONG_ROWS = 500
_BETWEEN_PAUSES = 16

Result = TypeVar("Result")
Parameters = ParamSpec("Parameters")
Item = TypeVar("Item")


class Pauses:
    """A hook for each object that is parsed; it returns the object unchanged."""

    def __init__(self) -> None:
        self._objects = 0

    def __call__(self, parsed: dict[str, Any]) -> dict[str, Any]:
        self._objects += 1
        if not self._objects % _BETWEEN_PAUSES:
            time.sleep(0)
        return parsed


def with_pauses(rows: Iterable[Item]) -> Iterator[Item]:
    for number, row in enumerate(rows, 1):
        if not number % _BETWEEN_PAUSES:
            time.sleep(0)
        yield row


def is_long(payload: object) -> bool:
    """Return whether a list in the payload, or in what it contains, has many rows."""
    inner = payload.values() if isinstance(payload, dict) else [payload]
    for value in inner:
        lists = value.values() if isinstance(value, dict) else [value]
        if any(isinstance(rows, list) and len(rows) >= LONG_ROWS for rows in lists):
            return True
    return False


class Aside:
    """The thread for long answers: one at a time, since they would only slow each other down."""

    def __init__(self) -> None:
        self._one = asyncio.Lock()

    async def call(
        self,
        function: Callable[Parameters, Result],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        async with self._one:
            return await asyncio.to_thread(function, *args, **kwargs)

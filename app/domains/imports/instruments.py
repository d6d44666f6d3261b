"""What the exchange lists or listed under the names of one file."""

from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import TypeAlias

from app.domains.trading.directory import Directory
from app.domains.trading.errors import AmbiguousSymbol
from app.domains.trading.symbols import Listed, Place

LookUp: TypeAlias = Callable[[Place, Collection[str]], Awaitable[Directory]]

MOST_NAMES = 10_000
"""How many names of a file are remembered."""


class Instruments:
    """The instruments of one file by the names that it uses; each name is looked up once."""

    def __init__(self, look_up: LookUp, place: Place) -> None:
        self._look_up = look_up
        self._place = place
        self._known: dict[str, Listed | None] = {}

    async def learn(self, names: Iterable[str]) -> None:
        """Look up the names that are new; find them before the next call."""
        wanted = set(names)
        new = wanted - self._known.keys()
        if not new:
            return
        if len(self._known) > MOST_NAMES:
            self._known, new = {}, wanted
        directory = await self._look_up(self._place, sorted(new))
        for name in new:
            try:
                self._known[name] = directory.find(name)
            except AmbiguousSymbol:
                self._known[name] = None

    def find(self, name: str) -> Listed | None:
        return self._known.get(name)

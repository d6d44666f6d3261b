"""Where waiting reports are written, so that they outlive the process: by default nowhere."""

import asyncio
from collections.abc import Iterable
from typing import Protocol, final

from botkeys.client.models import Position
from botkeys.client.records import Item, Kind


class Journal(Protocol):
    """The waiting reports and records of one bot; the queues in memory mirror them.

    What an adding method took is there again at the next start, until it is dropped. Adding raises
    OutboxUnusable and then added nothing. Dropping never fails: what stays is sent once more, which
    the service recognizes.
    """

    def records(self) -> Iterable[tuple[Kind, Item]]:
        """Return the waiting records in the order in which they were added."""

    def add_record(self, kind: Kind, item: Item) -> None: ...

    def drop_records(self, kind: Kind, count: int) -> None:
        """Drop the oldest records of the kind."""

    def reports(self) -> Iterable[tuple[int, Position, int]]:
        """Return place, position and revision of the waiting reports, in order."""

    def add_report(self, position: Position, revision: int) -> int:
        """Return the report's place, for `change_report` and `drop_report`."""

    def change_report(self, place: int, position: Position, revision: int) -> None: ...

    def drop_report(self, place: int) -> None: ...

    async def run(self) -> None:
        """Work beside the bot, without end."""

    async def aclose(self) -> None: ...


@final
class MemoryOnly:
    """The journal of a client without an outbox."""

    def records(self) -> Iterable[tuple[Kind, Item]]:
        return ()

    def add_record(self, kind: Kind, item: Item) -> None:
        pass

    def drop_records(self, kind: Kind, count: int) -> None:
        pass

    def reports(self) -> Iterable[tuple[int, Position, int]]:
        return ()

    def add_report(self, position: Position, revision: int) -> int:
        del position, revision
        return 0

    def change_report(self, place: int, position: Position, revision: int) -> None:
        pass

    def drop_report(self, place: int) -> None:
        pass

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def aclose(self) -> None:
        pass

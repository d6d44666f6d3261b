"""Reports of positions on their way to the service: in order, through outages, bounded."""

import logging
from asyncio import Event, Lock
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, final
from urllib.parse import quote

from botkeys.client.connection import Connection
from botkeys.client.errors import Refused, TooManyReports, is_final
from botkeys.client.models import Position, parse_answer, refusal
from botkeys.client.timing import Pace, patiently
from botkeys.decimals import plain

_OK = 200
_MOST_REFUSALS = 100
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Report:
    position: Position
    revision: int


class Revisions:
    """Counts a position's reports, also across restarts: by the clock, and never backwards."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._last: dict[str, int] = {}

    def following(self, position_id: str) -> int:
        milliseconds = int(self._clock().timestamp() * 1000)
        self._last[position_id] = max(milliseconds, self._last.get(position_id, 0) + 1)
        return self._last[position_id]

    def raise_to(self, position_id: str, revision: int) -> None:
        self._last[position_id] = max(revision, self._last.get(position_id, 0))

    def forget(self, position_id: str) -> None:
        self._last.pop(position_id, None)


@final
class Outbox:
    """What waits here is with the service sooner or later, or is told by `raise_refused`.

    A position's newer report takes the place of its last one that waits, if that has the same
    status: what waits is bounded by the number of positions, however long an outage; and by `most`.
    """

    def __init__(
        self, connection: Connection, pace: Pace, revisions: Revisions, *, most: int = 1000
    ) -> None:
        self._connection = connection
        self._pace = pace
        self._revisions = revisions
        self._most = most
        self._waiting: list[_Report] = []
        self._under_way: _Report | None = None
        self._refused: deque[Refused] = deque(maxlen=_MOST_REFUSALS)
        self._delivering = Lock()
        self._news = Event()

    @property
    def count(self) -> int:
        return len(self._waiting)

    def put(self, position: Position) -> None:
        """Raises TooManyReports, and takes nothing then."""
        place = self._replaced_by(position)
        if place is None and len(self._waiting) >= self._most:
            raise TooManyReports(self._most)
        report = _Report(position, self._revisions.following(position.id))
        if place is None:
            self._waiting.append(report)
        else:
            self._waiting[place] = report
        self._news.set()

    def _replaced_by(self, position: Position) -> int | None:
        """Where the position's last report waits, if the new one tells all that it would tell."""
        for place, report in reversed(list(enumerate(self._waiting))):
            if report.position.id == position.id:
                same = report.position.status == position.status
                return place if same and report is not self._under_way else None
        return None

    async def forever(self) -> None:
        """Until the token is refused."""
        while True:
            await self._news.wait()
            await self.deliver()

    def raise_refused(self) -> None:
        """Raises the Refused of a report that the service will never take, each of them once."""
        if self._refused:
            raise self._refused.popleft()

    async def deliver(self) -> None:
        """Until nothing waits any more. Raises NotAuthenticated."""
        async with self._delivering:
            while self._waiting:
                report = self._waiting[0]
                self._under_way = report
                try:
                    await patiently(partial(self._send, report), self._pace, final=is_final)
                except Refused as refused:
                    if not is_final(refused):
                        raise
                    position = report.position
                    _logger.warning("report of position %s refused: %s", position.id, refused.code)
                    self._refused.append(refused)
                finally:
                    self._under_way = None
                self._waiting.pop(0)
                if not any(waits.position.id == report.position.id for waits in self._waiting):
                    self._settle(report.position)
            self._news.clear()

    def _settle(self, position: Position) -> None:
        if position.status == "closed":
            self._revisions.forget(position.id)

    async def _send(self, report: _Report) -> None:
        position = report.position
        stored = await put_position(self._connection, position, report.revision)
        if stored.revision is not None and stored.revision > report.revision:
            # The clock was set back since a former life of this bot. What it says is newer still.
            self._revisions.raise_to(position.id, stored.revision)
            revision = self._revisions.following(position.id)
            await put_position(self._connection, position, revision)


async def put_position(connection: Connection, position: Position, revision: int) -> Position:
    """The position as stored. Repeating it changes nothing."""
    answer = await connection.call(
        "PUT",
        f"/v1/runtime/positions/{quote(position.id, safe='')}",
        body=_body(position, revision),
        safe=True,
    )
    if answer.status != _OK:
        raise refusal(answer)
    return parse_answer(Position, answer.body)


def _body(position: Position, revision: int) -> dict[str, Any]:
    numbers = {
        "quantity": position.quantity,
        "entry_price": position.entry_price,
        "exit_price": position.exit_price,
        "leverage": position.leverage,
        "fees": position.fees,
    }
    times = {"opened_at": position.opened_at, "closed_at": position.closed_at}
    members: dict[str, Any] = {
        "key_id": None if position.key is None else str(position.key.id),
        "revision": revision,
        "symbol": position.symbol,
        "side": position.side,
        "status": position.status,
        **{name: None if value is None else plain(value) for name, value in numbers.items()},
        "margin_mode": position.margin_mode,
        **{name: None if at is None else at.isoformat() for name, at in times.items()},
    }
    return {name: value for name, value in members.items() if value is not None}

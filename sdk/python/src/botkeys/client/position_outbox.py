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
from botkeys.client.errors import MalformedAnswer, Refused, TooManyReports, is_final
from botkeys.client.journal import Journal
from botkeys.client.models import HeldPositions, Position, parse_answer, refusal
from botkeys.client.timing import Pace, retry_through_outages
from botkeys.decimals import plain

_OK = 200
_PAGE = 200
_MAX_REFUSALS = 100
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Report:
    position: Position
    revision: int
    place: int
    """Its place in the journal."""


class RevisionCounter:
    """A position's revisions: taken from the clock, so that they also grow across restarts."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._last: dict[str, int] = {}

    def next(self, position_id: str) -> int:
        milliseconds = int(self._clock().timestamp() * 1000)
        self._last[position_id] = max(milliseconds, self._last.get(position_id, 0) + 1)
        return self._last[position_id]

    def raise_to(self, position_id: str, revision: int) -> None:
        self._last[position_id] = max(revision, self._last.get(position_id, 0))

    def forget(self, position_id: str) -> None:
        self._last.pop(position_id, None)


@final
class PositionOutbox:
    """Reports wait here until the service has taken or refused them; see `raise_refused`.

    A position's newer report replaces its last waiting one of the same status. So the queue is
    bounded by the number of positions however long an outage lasts, and by `max_reports`.
    """

    def __init__(
        self,
        connection: Connection,
        pace: Pace,
        revisions: RevisionCounter,
        journal: Journal,
        *,
        max_reports: int = 1000,
    ) -> None:
        self._connection = connection
        self._pace = pace
        self._revisions = revisions
        self._max_reports = max_reports
        self._waiting: list[_Report] = []
        self._in_flight: _Report | None = None
        self._refused: deque[Refused] = deque(maxlen=_MAX_REFUSALS)
        self._readers: list[dict[str, Position]] = []
        self._delivering = Lock()
        self._added = Event()
        self._journal = journal
        for place, position, revision in journal.reports():
            self._revisions.raise_to(position.id, revision)
            self._waiting.append(_Report(position, revision, place))
            self._added.set()

    @property
    def count(self) -> int:
        return len(self._waiting)

    def put(self, position: Position) -> None:
        """Queue a report. Raises TooManyReports or OutboxUnusable, and then leaves the queue as it
        was.
        """
        place = self._replaced_by(position)
        if place is None and len(self._waiting) >= self._max_reports:
            raise TooManyReports(self._max_reports)
        revision = self._revisions.next(position.id)
        if place is None:
            written = self._journal.add_report(position, revision)
            self._waiting.append(_Report(position, revision, written))
        else:
            written = self._waiting[place].place
            self._journal.change_report(written, position, revision)
            self._waiting[place] = _Report(position, revision, written)
        for newer in self._readers:
            newer[position.id] = position
        self._added.set()

    def _replaced_by(self, position: Position) -> int | None:
        """Return the index of the waiting report that the new one makes unnecessary, if any."""
        for place, report in reversed(list(enumerate(self._waiting))):
            if report.position.id == position.id:
                same = report.position.status == position.status
                return place if same and report is not self._in_flight else None
        return None

    async def held(self) -> list[Position]:
        """Return what the bot holds by the service's list and, over it, by reports of this process
        that the list may not contain yet. Later reports have higher revisions than those stored.
        """
        newer = {report.position.id: report.position for report in self._waiting}
        self._readers.append(newer)
        try:
            stored = await read_held(self._connection)
        finally:
            # By identity: two readers may know the same reports.
            self._readers = [each for each in self._readers if each is not newer]
        for position in stored.values():
            if position.revision is not None:
                self._revisions.raise_to(position.id, position.revision)
        for name, position in newer.items():
            known = stored.get(name)
            stored[name] = position if known is None else _joined(known, position)
        return [position for position in stored.values() if position.status != "closed"]

    async def run(self) -> None:
        """Deliver until the token is refused."""
        while True:
            await self._added.wait()
            await self.deliver()

    def raise_refused(self) -> None:
        """Raise the Refused of the oldest report refused for good; each is raised once."""
        if self._refused:
            raise self._refused.popleft()

    async def deliver(self) -> None:
        """Send until the queue is empty. Raises NotAuthenticated."""
        async with self._delivering:
            while self._waiting:
                report = self._waiting[0]
                self._in_flight = report
                try:
                    await retry_through_outages(
                        partial(self._send, report), self._pace, final=is_final
                    )
                except Refused as refused:
                    if not is_final(refused):
                        raise
                    position = report.position
                    _logger.warning("report of position %s refused: %s", position.id, refused.code)
                    self._refused.append(refused)
                finally:
                    self._in_flight = None
                self._waiting.pop(0)
                self._journal.drop_report(report.place)
                if not any(waits.position.id == report.position.id for waits in self._waiting):
                    self._settle(report.position)
            self._added.clear()

    def _settle(self, position: Position) -> None:
        if position.status == "closed":
            self._revisions.forget(position.id)

    async def _send(self, report: _Report) -> None:
        position = report.position
        stored = await put_position(self._connection, position, report.revision)
        if stored.revision is not None and stored.revision > report.revision:
            # The clock was set back since an earlier run of this bot. This report is still newer.
            self._revisions.raise_to(position.id, stored.revision)
            revision = self._revisions.next(position.id)
            await put_position(self._connection, position, revision)


async def put_position(connection: Connection, position: Position, revision: int) -> Position:
    """Return the position as stored. Repeating the call changes nothing."""
    answer = await connection.call(
        "PUT",
        f"/v1/runtime/positions/{quote(position.id, safe='')}",
        body=_body(position, revision),
        safe=True,
    )
    if answer.status != _OK:
        raise refusal(answer)
    return parse_answer(Position, answer.body)


async def read_held(connection: Connection) -> dict[str, Position]:
    """Return by id what the service has as held by the bot, from all pages of its list."""
    found: dict[str, Position] = {}
    cursors: set[str | None] = {None}
    path = f"/v1/runtime/positions?limit={_PAGE}"
    address = path
    while True:
        answer = await connection.call("GET", address)
        if answer.status != _OK:
            raise refusal(answer)
        page = parse_answer(HeldPositions, answer.body)
        found |= {position.id: position for position in page.items}
        if page.next_cursor is None:
            return found
        if page.next_cursor in cursors:
            raise MalformedAnswer("The service's list of positions does not end.")
        cursors.add(page.next_cursor)
        address = f"{path}&cursor={quote(page.next_cursor, safe='')}"


def _joined(stored: Position, reported: Position) -> Position:
    """Return the report with what only the service knows of the position."""
    return reported.model_copy(update={"key": stored.key, "revision": stored.revision})


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

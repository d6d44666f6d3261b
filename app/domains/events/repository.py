"""Reads events. Every statement names the account."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Exists,
    Select,
    Table,
    Uuid,
    and_,
    bindparam,
    exists,
    or_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.driver import Executor, Statement
from app.db.models import DashboardSession, DeletionMark, Event, EventHead
from app.domains.events.places import START, Place, read_place
from app.domains.events.types import KEPT, EventType
from app.domains.trading.period import Period

AT_ONCE = 200
"""How many events a stream reads at a time."""

_EVENTS: Table = Event.__table__  # type: ignore[assignment]
_MARKS: Table = DeletionMark.__table__  # type: ignore[assignment]
_NAMES = ("id", "type", "at", "environment", "key_id", "bot_id", "data")
_COLUMNS = [_EVENTS.c[name] for name in _NAMES]
_ACCOUNT = _EVENTS.c.account_id == bindparam("account", type_=Uuid())
# What a mark covers is deleted for everyone who reads, also while its rows are being purged.
_UNDELETED = or_(
    *(_EVENTS.c.type == str(name) for name in KEPT),
    # Each mark that may cover an event is found by the marks' index, however many there are.
    and_(
        *(
            ~exists().where(
                _MARKS.c.account_id == _EVENTS.c.account_id,
                environment,
                key,
                _MARKS.c.cutoff > _EVENTS.c.at,
            )
            for environment in (
                _MARKS.c.environment.is_(None),
                _MARKS.c.environment == _EVENTS.c.environment,
            )
            for key in (_MARKS.c.key_id.is_(None), _MARKS.c.key_id == _EVENTS.c.key_id)
        )
    ),
)


def undeleted_events(account_id: UUID, numbers: Sequence[int]) -> Select[*tuple[Any, ...]]:
    """Return the reading of events with these numbers that are kept, as `EventRow`."""
    return select(*_COLUMNS).where(
        _EVENTS.c.account_id == account_id, _EVENTS.c.id.in_(numbers), _UNDELETED
    )


def events_between(account_id: UUID, after: int, upto: int) -> Select[*tuple[Any, ...]]:
    """Return the reading of numbers and types of an account's events, in order."""
    return (
        select(_EVENTS.c.id, _EVENTS.c.type)
        .where(
            _EVENTS.c.account_id == account_id,
            _EVENTS.c.id > after,
            _EVENTS.c.id <= upto,
            _UNDELETED,
        )
        .order_by(_EVENTS.c.id)
    )


def event_exists(account_id: UUID, number: int) -> Exists:
    """Return the condition that the event is kept, and not covered by a deletion."""
    return exists().where(_EVENTS.c.account_id == account_id, _EVENTS.c.id == number, _UNDELETED)


_NEWEST = Statement(
    select(_EVENTS.c.id, _EVENTS.c.at).where(_ACCOUNT).order_by(_EVENTS.c.id.desc()).limit(1)
)
_AT = Statement(
    select(_EVENTS.c.at).where(_ACCOUNT, _EVENTS.c.id == bindparam("number", type_=BigInteger()))
)
_NONE_YET = Statement(
    select(EventHead.sequence).where(
        EventHead.account_id == bindparam("account", type_=Uuid()), EventHead.sequence > 0
    )
)
_SESSION = Statement(
    select(DashboardSession.id).where(
        DashboardSession.account_id == bindparam("account", type_=Uuid()),
        DashboardSession.id == bindparam("session", type_=Uuid()),
        DashboardSession.ended_at.is_(None),
    )
)
_AFTER = Statement(
    select(*_COLUMNS)
    .where(_ACCOUNT, _EVENTS.c.id > bindparam("number", type_=BigInteger()), _UNDELETED)
    .order_by(_EVENTS.c.id)
    .limit(AT_ONCE)
)


class EventRow(NamedTuple):
    """An event, with fields named like the table's columns."""

    id: int
    type: str
    at: datetime
    environment: str | None
    key_id: UUID | None
    bot_id: UUID | None
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class EventFilter:
    """What a list of events is limited to; `None` stands for no limit."""

    type: EventType | None
    key_id: UUID | None
    bot_id: UUID | None
    environment: str | None


class EventRepository:
    def __init__(self, *, session: AsyncSession, account_id: UUID) -> None:
        self._session = session
        self._account_id = account_id

    async def page(
        self, wanted: EventFilter, period: Period, before: int | None, limit: int
    ) -> list[EventRow]:
        """Return up to `limit` events older than the number `before`, newest first."""
        query = (
            select(*_COLUMNS)
            .where(_EVENTS.c.account_id == self._account_id, _UNDELETED)
            .order_by(_EVENTS.c.id.desc())
            .limit(limit)
        )
        for name, value in asdict(wanted).items():
            if value is not None:
                query = query.where(_EVENTS.c[name] == value)
        if period.since is not None:
            query = query.where(_EVENTS.c.at >= period.since)
        if period.until is not None:
            query = query.where(_EVENTS.c.at < period.until)
        if before is not None:
            query = query.where(_EVENTS.c.id < before)
        return [EventRow._make(row) for row in await self._session.execute(query)]


class EventReader:
    """Reads an account's events in order, for streams: each statement stands alone."""

    def __init__(self, executor: Executor, account_id: UUID) -> None:
        self._executor = executor
        self._account_id = account_id

    async def newest(self) -> Place:
        """Return the place of the newest event. None with a lower number is committed later."""
        rows = await self._executor.fetch(_NEWEST, account=self._account_id)
        return next((Place.of(*row) for row in rows), START)

    async def find(self, id_: str) -> Place | None:
        """Return the place of the event that has this id; `None` if there is none, or no more."""
        place = read_place(id_)
        if place is None:
            return None
        # All that follow the start are there if the first one is, or if there was none yet.
        number = place.number or 1
        rows = await self._executor.fetch(_AT, account=self._account_id, number=number)
        if place == START:
            there = rows or not await self._executor.fetch(_NONE_YET, account=self._account_id)
        else:
            there = place in [Place.of(number, *row) for row in rows]
        return place if there else None

    async def is_signed_in(self, session_id: UUID) -> bool:
        """Return whether nobody has ended the session of the dashboard."""
        rows = await self._executor.fetch(_SESSION, account=self._account_id, session=session_id)
        return bool(rows)

    async def after(self, number: int) -> list[EventRow]:
        """Return the events that follow this number, the first `AT_ONCE` of them."""
        rows = await self._executor.fetch(_AFTER, account=self._account_id, number=number)
        return [EventRow._make(row) for row in rows]

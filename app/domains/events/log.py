"""Writes events in the transaction of the change, numbered in the order of the commits.

The head of the account's events is locked from the first event of a transaction to its end. So an
event with a higher number is committed later, and a reader who has seen one has missed none before
it. That lock is the last of the order: add events after everything else.

The head also says whether a webhook waits for the account's events. Only then is a row of news
added with them, by which the worker that makes deliveries finds the account.
"""

from collections.abc import Iterable
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import DateTime, Text, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from app.db.driver import Executor, Statement
from app.domains.events.types import DESCRIBED, EventType
from app.kit.json_codec import dumps

# The clock is read after the lock: the head's row is returned before the outer SELECT list runs.
_ADD = Statement(
    text(
        """
        WITH head AS (
            INSERT INTO event_heads AS head (account_id, sequence) VALUES (:account, 1)
            ON CONFLICT (account_id) DO UPDATE SET sequence = head.sequence + 1
            RETURNING account_id, sequence, watched
        ), noted AS (
            INSERT INTO webhook_news (account_id)
            SELECT :account FROM head WHERE account_id = :account AND watched
        )
        INSERT INTO events (account_id, id, type, at, environment, key_id, bot_id, data)
        SELECT :account, sequence, :type, coalesce(:at, clock_timestamp()),
            :environment, :key, :bot, :data
        FROM head WHERE account_id = :account
        """
    ).bindparams(
        *(bindparam(name, type_=Uuid()) for name in ("account", "key", "bot")),
        *(bindparam(name, type_=Text()) for name in ("type", "environment")),
        bindparam("at", type_=DateTime(timezone=True)),
        bindparam("data", type_=JSONB()),
    )
)


class NewEvent(NamedTuple):
    """An event to add. Without `at` it happens when it is stored."""

    account_id: UUID
    type: EventType
    data: dict[str, Any]
    environment: str | None = None
    key_id: UUID | None = None
    bot_id: UUID | None = None
    at: datetime | None = None


class EventLog:
    """The events of one account. `executor` runs statements in the transaction of the change."""

    def __init__(self, executor: Executor, account_id: UUID) -> None:
        self._executor = executor
        self._account_id = account_id

    async def add(
        self,
        type_: EventType,
        /,
        *,
        environment: str | None = None,
        key_id: UUID | None = None,
        bot_id: UUID | None = None,
        **data: Any,
    ) -> None:
        """Add an event. Members without a value are left out of its data."""
        event = NewEvent(self._account_id, type_, data, environment, key_id, bot_id)
        await add_events(self._executor, [event])


async def add_events(executor: Executor, events: Iterable[NewEvent]) -> None:
    """Add events of any accounts, those of each account in this order.

    Heads are taken in the order of their accounts, so that two callers never deadlock.
    """
    for event in sorted(events, key=attrgetter("account_id")):
        await executor.fetch(
            _ADD,
            account=event.account_id,
            type=str(event.type),
            at=event.at,
            environment=event.environment,
            key=event.key_id,
            bot=event.bot_id,
            data=_text(event.type, event.data),
        )


def _text(type_: EventType, data: dict[str, Any]) -> str:
    """Return the data as JSON. What a type does not describe is not shown to anyone."""
    unknown = data.keys() - DESCRIBED[type_].data.keys()
    if unknown:
        raise ValueError(f"events of the type {type_} have no {', '.join(sorted(unknown))}")
    return dumps({name: value for name, value in data.items() if value is not None}).decode()

"""Writes events in the transaction of the change, numbered in the order of the commits.

The head of the account's events is locked from the first event of a transaction to its end. So an
event with a higher number is committed later, and a reader who has seen one has missed none before
it. That lock is the last of the order: add events after everything else.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Text, Uuid, bindparam, text
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
            RETURNING account_id, sequence
        )
        INSERT INTO events (account_id, id, type, at, environment, key_id, bot_id, data)
        SELECT :account, sequence, :type, clock_timestamp(), :environment, :key, :bot, :data
        FROM head WHERE account_id = :account
        """
    ).bindparams(
        *(bindparam(name, type_=Uuid()) for name in ("account", "key", "bot")),
        *(bindparam(name, type_=Text()) for name in ("type", "environment")),
        bindparam("data", type_=JSONB()),
    )
)
# Heads are taken in the order of their accounts, so that two callers never deadlock.
_ADD_MANY = Statement(
    text(
        """
        WITH given AS (
            SELECT account_id, type, at, environment, key_id, bot_id, data,
                row_number() OVER (PARTITION BY account_id ORDER BY place) AS number
            FROM unnest(:accounts, :types, :times, :environments, :keys, :bots, :data)
                WITH ORDINALITY
                AS wanted (account_id, type, at, environment, key_id, bot_id, data, place)
        ), counted AS (
            SELECT account_id, count(*) AS number FROM given GROUP BY account_id
        ), heads AS (
            INSERT INTO event_heads AS head (account_id, sequence)
            SELECT account_id, number FROM counted ORDER BY account_id
            ON CONFLICT (account_id) DO UPDATE SET sequence = head.sequence + excluded.sequence
            RETURNING account_id, sequence
        )
        INSERT INTO events (account_id, id, type, at, environment, key_id, bot_id, data)
        SELECT given.account_id, heads.sequence - counted.number + given.number, given.type,
            coalesce(given.at, clock_timestamp()), given.environment, given.key_id, given.bot_id,
            given.data::jsonb
        FROM given
        JOIN counted ON counted.account_id = given.account_id
        JOIN heads ON heads.account_id = given.account_id
        """
    ).bindparams(
        *(bindparam(name, type_=ARRAY(Uuid())) for name in ("accounts", "keys", "bots")),
        *(bindparam(name, type_=ARRAY(Text())) for name in ("types", "environments", "data")),
        bindparam("times", type_=ARRAY(DateTime(timezone=True))),
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
        await self._executor.fetch(
            _ADD,
            account=self._account_id,
            type=str(type_),
            environment=environment,
            key=key_id,
            bot=bot_id,
            data=_text(type_, data),
        )


async def add_events(executor: Executor, events: Sequence[NewEvent]) -> None:
    """Add events of any accounts, those of each account in this order."""
    if not events:
        return
    await executor.fetch(
        _ADD_MANY,
        accounts=[event.account_id for event in events],
        types=[str(event.type) for event in events],
        times=[event.at for event in events],
        environments=[event.environment for event in events],
        keys=[event.key_id for event in events],
        bots=[event.bot_id for event in events],
        data=[_text(event.type, event.data) for event in events],
    )


def _text(type_: EventType, data: dict[str, Any]) -> str:
    """Return the data as JSON. What a type does not describe is not shown to anyone."""
    unknown = data.keys() - DESCRIBED[type_].data.keys()
    if unknown:
        raise ValueError(f"events of the type {type_} have no {', '.join(sorted(unknown))}")
    return dumps({name: value for name, value in data.items() if value is not None}).decode()

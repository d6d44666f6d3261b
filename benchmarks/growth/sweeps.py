"""What is measured of the worker: a turn of each task with nothing due, and with a few rows due.

What is due is made of rows that are not: the same few, however many others there are.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from app.custody.webhook_keys import WebhookKeys
from app.db.engine import Database
from app.domains.catalogue.refresher import CatalogueRefresher
from app.domains.webhooks.sender import Message, Outcome, Sender
from app.kit.outbound_guard import Allowed
from app.worker.delivering import Deliverer, DeliveryMetrics
from app.worker.loop import Task, catalogue_tasks, purge_tasks, webhook_tasks
from app.worker.presence import announce_offline
from benchmarks.growth.measuring import Call
from botkeys.transport.certificates import public_context

DUE = 10
"""How many rows of each kind are made due."""

_LAST_OF = "SELECT {key} FROM {table} WHERE {which} ORDER BY {key} LIMIT :due"


def _aged(table: str, key: str, change: str, which: str = "true") -> str:
    chosen = _LAST_OF.format(key=key, table=table, which=which)
    return f"UPDATE {table} SET {change} WHERE ({key}) IN ({chosen})"  # noqa: S608  # text of our own


_OLD = "now() - interval '400 days'"
_MONTH = """
    DO $$ BEGIN
        EXECUTE to_char(
            now() AT TIME ZONE 'UTC' + interval '3 months',
            '"DROP TABLE IF EXISTS audit_months.month_"YYYY_MM'
        );
    END $$
"""

MADE_DUE: dict[str, tuple[str, ...]] = {
    "refresh": ("UPDATE catalogues SET attempted_at = now() - interval '1 day'",),
    "sweep": (
        _aged("idempotency_records", "account_id, idempotency_key", f"created_at = {_OLD}"),
        _aged("releases", "account_id, id", f"at = {_OLD}"),
        _aged("operations", "account_id, id", f"finished_at = {_OLD}", "finished_at IS NOT NULL"),
        _aged("events", "account_id, id", f"at = {_OLD}"),
        _aged("purged_positions", "account_id, bot_id, digest", f"purged_at = {_OLD}"),
        _aged("dashboard_sessions", "account_id, id", f"expires_at = {_OLD}"),
        _aged("webhook_deliveries", "account_id, id", f"created_at = {_OLD}"),
        _aged(
            "positions",
            "account_id, bot_id, id",
            "status = 'opening', closed_at = NULL, close_reason = NULL,"
            " expires_at = now() - interval '1 day'",
            "status = 'closed'",
        ),
    ),
    "audit_months": (_MONTH,),
    "presence": (
        _aged(
            "presence",
            "account_id, bot_id",
            "announced_online = true, lease_until = now() - interval '1 minute'",
            "NOT announced_online",
        ),
    ),
    "expiry": (
        _aged(
            "keys",
            "account_id, id",
            "expires_at = now() + interval '12 hours', expiry_announced = NULL",
            "expires_at IS NULL",
        ),
    ),
    "rollups": (
        """
        INSERT INTO stale_days (account_id, environment, day, marked_at) SELECT account_id,
        'live', current_date - 3, now() - interval '1 day' FROM accounts ORDER BY account_id
        LIMIT :due
        """,
    ),
    "cut_days": (
        """
        INSERT INTO deletion_marks (account_id, id, environment, key_id, cutoff) SELECT
        account_id, gen_random_uuid(), environment, key_id, now() FROM ( SELECT DISTINCT ON
        (account_id) account_id, environment, key_id FROM trade_days WHERE scope = 1 ORDER
        BY account_id LIMIT :due) AS one ON CONFLICT DO NOTHING
        """,
        """
        INSERT INTO operations (account_id, id, kind, status, finished_at, scope)
        SELECT account_id, gen_random_uuid(), 'delete_data', 'succeeded', now(),
            jsonb_build_object('marks', jsonb_build_array(jsonb_build_object(
                'environment', environment, 'key_id', key_id, 'cutoff', now())))
        FROM (SELECT DISTINCT ON (account_id) account_id, environment, key_id
            FROM trade_days WHERE scope = 1 ORDER BY account_id LIMIT :due) AS one
        """,
    ),
    "purge": (
        """
        INSERT INTO operations (account_id, id, kind, environment, scope) SELECT account_id,
        gen_random_uuid(), 'delete_data', 'live', jsonb_build_object('scope', 'all',
        'marks', '[]'::jsonb) FROM accounts ORDER BY account_id LIMIT :due
        """,
    ),
    "import": (
        """
        INSERT INTO operations (account_id, id, kind, environment, scope, phase) SELECT
        account_id, gen_random_uuid(), 'import_trades', 'live', '{}', 'receiving' FROM
        accounts ORDER BY account_id LIMIT :due
        """,
    ),
    "fan_out": (
        """
        UPDATE webhooks SET sequence = (SELECT event_heads.sequence FROM event_heads WHERE
        event_heads.account_id = webhooks.account_id) - 1 WHERE (account_id, id) IN (SELECT
        account_id, id FROM webhooks WHERE sequence > 0 ORDER BY account_id, id LIMIT :due)
        """,
        """
        INSERT INTO webhook_news (account_id) SELECT DISTINCT account_id FROM webhooks JOIN
        event_heads USING (account_id) WHERE webhooks.sequence < event_heads.sequence
        """,
    ),
    "deliver": (
        _aged(
            "webhook_deliveries",
            "account_id, id",
            "status = 'pending', finished_at = NULL, next_attempt_at = now()",
            "status = 'delivered' AND event_number IS NOT NULL",
        ),
    ),
}
"""What makes rows due for each task."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """A task. `due` makes its rows due, and `turn` runs it; `settle` ends what it left.

    `gauges` are what /metrics reads of it.
    """

    name: str
    due: Callable[[], Awaitable[Any]]
    settle: Callable[[], Awaitable[Any]]
    turn: Callable[[], Awaitable[Any]]
    gauges: tuple[Call, ...]


_SETTLED = """
    UPDATE webhook_deliveries
    SET status = 'cancelled', next_attempt_at = NULL, claim = NULL, finished_at = now()
    WHERE status = 'pending'
"""
"""Ends deliveries that would be attempted again: the addresses of other accounts are unreadable."""


class _Arriving(Sender):
    """A sender to which every receiver says yes, without a network."""

    def __init__(self) -> None:
        super().__init__(public_context(), Allowed())

    async def send(self, url: str, message: Message) -> Outcome:
        del url, message
        return Outcome(200, None)


class _Named(CatalogueRefresher):
    """A refresher that asks no exchange: what is measured is how it finds what is due."""

    async def refresh(self, *_: Any, **__: Any) -> Any:
        return None


@asynccontextmanager
async def sweeps(
    database: Database, owner: Database, catalogues: _Named, keys: WebhookKeys
) -> AsyncIterator[list[Sweep]]:
    """Yield the tasks of all workers."""
    deliverer = Deliverer(
        database.sessions, keys, _Arriving(), Allowed(), DeliveryMetrics(), turn_seconds=0.0
    )

    async def delivered() -> None:
        await deliverer.turn()
        await deliverer.idle()

    fan_out, deliver = webhook_tasks(database, deliverer)
    tasks: list[Task] = [
        *catalogue_tasks(database, catalogues),
        *(_looking(task, database) for task in purge_tasks(database)),
        fan_out,
        deliver._replace(turn=delivered),
    ]
    yield [_sweep(task, database, owner) for task in tasks]
    await deliverer.close()


def _looking(task: Task, database: Database) -> Task:
    """Return the task, with a turn that looks at all bots: of many, only one of several does."""
    if task.name != "presence":
        return task
    return task._replace(turn=lambda: announce_offline(database.sessions))


def _sweep(task: Task, database: Database, owner: Database) -> Sweep:
    async def due() -> None:
        async with owner.sessions.begin() as session:
            for statement in MADE_DUE[task.name]:
                await session.execute(text(statement), {"due": DUE} if ":due" in statement else {})

    def reading(number: int) -> Call:
        async def read() -> None:
            async with database.read_sessions() as session:
                list(await task.gauges[number].read(session))

        return Call(f"/metrics of {task.name}", read)

    async def settle() -> None:
        async with owner.sessions.begin() as session:
            await session.execute(text(_SETTLED))

    return Sweep(task.name, due, settle, task.turn, tuple(map(reading, range(len(task.gauges)))))


def catalogue_refresher(database: Database, exchanges: Any, intervals: Any) -> _Named:
    return _Named(database, exchanges, intervals, background=False)

"""Locks that a migration waits for: who holds them, and how long it goes on trying."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic

import stamina
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.failures import sqlstate

ADVISORY_LOCK = 0x626F746B657973
"""The session lock that keeps two deployments from migrating at once ("botkeys" in ASCII)."""

LOCK_SECONDS = 1
"""How long one attempt waits for a lock, and everybody who needs the table waits behind it."""

_LOOK_SECONDS = LOCK_SECONDS / 4
_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 10.0

_LOCK_NOT_AVAILABLE = "55P03"

_HOLDERS = text(
    "SELECT pid, usename, application_name, extract(epoch FROM clock_timestamp() - xact_start)"
    " FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids(:pid))"
)
_MIGRATING = text(
    "SELECT activity.pid, usename, application_name,"
    " extract(epoch FROM clock_timestamp() - xact_start)"
    " FROM pg_locks JOIN pg_stat_activity AS activity USING (pid)"
    " WHERE locktype = 'advisory' AND granted AND objsubid = 1"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND (classid::bigint << 32 | objid::bigint) = :key"
)


class MigrationBlocked(Exception):
    """Others held locks that a migration needs for as long as it tried.

    The message names them, without the text of their statements. Everything up to the last whole
    migration stays; the next run goes on from there.
    """


@dataclass(frozen=True, slots=True)
class Holder:
    """A session that holds a lock. `seconds` is the age of its transaction, `None` if hidden.

    PostgreSQL shows the age only to members of the session's role and of `pg_read_all_stats`.
    """

    pid: int
    login: str | None
    application: str
    seconds: float | None

    def __str__(self) -> str:
        named = f"process {self.pid} (login {self.login or 'unknown'}"
        if self.application:
            named += f", application {self.application!r}"
        named += ")"
        if self.seconds is not None:
            named += f", in a transaction for {self.seconds:.0f} s"
        return named


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a migration waits for locks in all, and whom it tells that it waits."""

    seconds: float = 300
    report: Callable[[str], None] | None = None

    def tell(self, sentence: str) -> None:
        if self.report is not None:
            self.report(sentence)


class LockWatch:
    """The holders of the lock that one connection waits for, seen from another connection."""

    def __init__(self, onlooker: AsyncConnection, pid: int) -> None:
        self._onlooker = onlooker
        self._pid = pid
        self.holders: list[Holder] = []
        """Those seen last; still there after the wait has ended."""

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        self.holders = []
        task = asyncio.create_task(self._look())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            rows = (await self._onlooker.execute(_HOLDERS, {"pid": self._pid})).all()
            await self._onlooker.rollback()  # within one transaction the view never changes
            if rows:
                self.holders = [Holder(*row) for row in rows]


def _lock_not_available(error: Exception) -> bool:
    return sqlstate(error) == _LOCK_NOT_AVAILABLE


async def take_turn(connection: AsyncConnection, patience: Patience) -> None:
    """Take the lock of migrations, which is the connection's until it closes.

    Raises `MigrationBlocked` if another process has it for as long as `patience` says.
    """
    deadline = monotonic() + patience.seconds
    waited = False
    while not await connection.scalar(
        text("SELECT pg_try_advisory_lock(:key)"), {"key": ADVISORY_LOCK}
    ):
        holders = [
            Holder(*row) for row in await connection.execute(_MIGRATING, {"key": ADVISORY_LOCK})
        ]
        await connection.rollback()
        if monotonic() >= deadline:
            raise MigrationBlocked(
                f"Another process migrates this database: {_names(holders)}. "
                "Wait for it, or end it, and run the migration again."
            )
        if not waited:
            patience.tell(f"Waiting for another migration: {_names(holders)}.")
            waited = True
        await asyncio.sleep(_LOOK_SECONDS)
    await connection.commit()


async def retry_blocked(
    step: Callable[[], Awaitable[None]], watch: LockWatch, patience: Patience
) -> None:
    """Run the step until nobody holds a lock that it needs, with pauses for those who queued.

    A failed step must have rolled back. Raises `MigrationBlocked`.
    """
    try:
        async for attempt in stamina.retry_context(
            on=_lock_not_available,
            attempts=None,
            timeout=patience.seconds,
            wait_initial=_PAUSE_SECONDS,
            wait_max=_LONGEST_PAUSE_SECONDS,
            wait_jitter=_PAUSE_SECONDS,
        ):
            if attempt.num > 1:
                patience.tell(f"Tried again, since a lock was held by {_names(watch.holders)}.")
            with attempt:
                async with watch.watching():
                    await step()
    except DBAPIError as error:
        if not _lock_not_available(error):
            raise
        raise MigrationBlocked(
            f"A migration needs a lock that was held for {patience.seconds:.0f} s by "
            f"{_names(watch.holders)}. Let that session end, or end it, and run the migration "
            "again: it goes on after the last migration that was completed."
        ) from None


def _names(holders: list[Holder]) -> str:
    return "; ".join(map(str, holders)) or "a session that ended just now"

"""Says to the database which master keys a runtime process holds, at start and while it runs."""

import asyncio
import time
from contextlib import suppress

import structlog
from sqlalchemy.exc import DBAPIError

from app.custody.errors import MasterKeyConflict
from app.custody.keyring import ReleasingKeyring
from app.custody.master_keys.registry import announce, leave, register
from app.db.base import new_id
from app.db.engine import Database
from app.db.failures import is_outage, sqlstate

log = structlog.get_logger("botkeys.keys")

LOOK_SECONDS = 1.0
"""How soon a change of the folder is noticed, and how soon an attempt that failed is repeated."""

RENEW_SECONDS = 10.0

_START_SECONDS = 3
_LEAVE_SECONDS = 1


class MasterKeyHolder:
    """A runtime process's entry in the registry.

    A version that the registry knows as another key is never used: `start` raises
    MasterKeyConflict, and later the keyring is made to refuse it. While the database is away the
    process goes on with what it holds.
    """

    def __init__(self, database: Database, keyring: ReleasingKeyring) -> None:
        self._database = database
        self._keyring = keyring
        self._id = new_id()
        self._announced: dict[int, str] | None = None
        self._announced_at = 0.0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Register what is held; raise MasterKeyConflict for a version of another key.

        `keep_announcing` asks a database again that does not respond or is not migrated yet.
        """
        conflicts = await self._announce()
        if conflicts:
            raise MasterKeyConflict(conflicts)

    def keep_announcing(self) -> None:
        """Renew the entry, and follow changes of the folder, until `close`."""
        self._task = asyncio.create_task(self._follow())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._announced is None:
            return
        with suppress(DBAPIError, OSError, TimeoutError):
            async with asyncio.timeout(_LEAVE_SECONDS), self._database.sessions.begin() as session:
                await leave(session, self._id)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            due = time.monotonic() - self._announced_at >= RENEW_SECONDS
            if due or self._keyring.fingerprints != self._announced:
                await self._announce()

    async def _announce(self) -> list[int]:
        """Return the versions that the registry knows as another key; [] if it cannot be asked."""
        held = dict(self._keyring.fingerprints)
        before, self._announced = self._announced, None
        try:
            async with asyncio.timeout(_START_SECONDS), self._database.sessions.begin() as session:
                conflicts = await register(session, held)
                await announce(session, self._id, held.keys() - set(conflicts))
        except Exception as error:
            if not is_outage(error) and not isinstance(error, DBAPIError):
                raise
            log.warning(
                "master_keys_not_registered", error=type(error).__name__, sqlstate=sqlstate(error)
            )
            return []
        self._keyring.refuse({version: held[version] for version in conflicts})
        self._announced, self._announced_at = held, time.monotonic()
        if held != before:
            log.info("master_keys_registered", versions=sorted(held.keys() - set(conflicts)))
            if conflicts:
                log.error("master_keys_refused", detail=str(MasterKeyConflict(conflicts)))
        return conflicts

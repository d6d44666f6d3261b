"""A standby that answers reads of many rows, when it has everything that was committed before.

A standby follows its primary after milliseconds, or after minutes. So each of these reads asks the
primary how far its log is written, and waits a moment until the standby has applied it. What is
read is therefore never older than the request. A standby that is behind, or away, is left alone for
a while, and the primary answers.
"""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.db.driver import Statement
from app.db.engine import Database
from app.db.failures import is_conflict, is_outage

BEHIND_SECONDS = 1.0
AWAY_SECONDS = 5.0
"""How long the primary answers after the standby was found behind, or did not answer."""

_PATIENCE = 0.5
"""Seconds in which the standby has to say how far it is."""
_PAUSES = (0.002, 0.005, 0.01, 0.02, 0.04)
"""Seconds between the questions whether it has caught up."""

_WRITTEN = Statement(text("SELECT CAST(pg_current_wal_flush_lsn() AS text) AS place"))
_APPLIED = Statement(
    text(
        "SELECT pg_is_in_recovery()"
        " AND pg_last_wal_replay_lsn() >= CAST(CAST(:place AS text) AS pg_lsn) AS applied"
    )
)


class Replica:
    """The standby of `primary`. `count` gets `replica` or `primary`, whichever is to answer."""

    def __init__(
        self,
        primary: Database,
        standby: Database,
        count: Callable[[str], None],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._primary: Final = primary
        self._standby: Final = standby
        self._count: Final = count
        self._clock: Final = clock
        self._left_alone_until = 0.0

    @property
    def sessions(self) -> async_sessionmaker[AsyncSession]:
        return self._standby.read_sessions

    async def has_caught_up(self) -> bool:
        """Return whether the standby is to be read from now.

        Raises what the driver raises if the primary is unavailable.
        """
        answers = self._clock() >= self._left_alone_until and await self._applies_in_time()
        self._count("replica" if answers else "primary")
        return answers

    def leave_alone(self) -> None:
        """Let the primary answer for a while: the standby failed."""
        self._left_alone_until = self._clock() + AWAY_SECONDS

    async def _applies_in_time(self) -> bool:
        ((place,),) = await self._primary.autocommit.fetch(_WRITTEN)
        try:
            async with asyncio.timeout(_PATIENCE):
                for pause in _PAUSES:
                    ((applied,),) = await self._standby.autocommit.fetch(_APPLIED, place=place)
                    if applied:
                        return True
                    await asyncio.sleep(pause)
        except Exception as error:
            if not (is_outage(error) or is_conflict(error)):
                raise
            self.leave_alone()
            return False
        self._left_alone_until = self._clock() + BEHIND_SECONDS
        return False

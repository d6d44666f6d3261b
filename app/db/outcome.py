"""What became of a transaction whose connection died while it was committed.

PostgreSQL remembers for each transaction id whether it was committed. A server that crashed, or a
standby that took over, may give an id a second time, so an id is kept together with the server's
start, its last recovery and its timeline: if any of them has changed, the id says nothing.

In a Citus cluster the transaction is one of the node with the account's rows, where the statement
that locks a row of it is executed. That node is then asked, over the coordinator.
"""

import asyncio
import re

from sqlalchemy import Text, bindparam, literal_column, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.driver import IDENTITY, Executor, SessionExecutor, Statement, noted
from app.db.failures import CommitLost, is_outage, raise_if_lost
from app.db.nodes import IS_CITUS

PATIENCE = 5.0
"""Seconds for asking a server that may be restarting."""

_PAUSE = 0.1
_NUMBER = re.compile(r"[0-9]+")
_PLAIN = re.compile(r"[0-9A-Fa-f.:]+")
# A crash resets the statistics, and nothing else that any login may see.
_INCARNATION = (
    "concat_ws(':', extract(epoch FROM pg_postmaster_start_time()),"
    " extract(epoch FROM pg_stat_get_bgwriter_stat_reset_time()),"
    " left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))"
)
IDENTIFIED_SQL = f"concat_ws(' ', {IDENTITY}(), {_INCARNATION})"
IDENTIFIED = literal_column(IDENTIFIED_SQL, Text())
"""The identity of the current transaction, as the last column of a statement that locks a row.

It costs nothing there: the lock gives the transaction its id anyway.
"""
# A coordinator's own transaction has no id, whatever it has changed on other nodes.
_OWN = Statement(
    text(
        f"SELECT concat_ws(' ', CASE WHEN {IS_CITUS} THEN '0'"
        f" ELSE CAST({IDENTITY}_if_assigned() AS text) END, {_INCARNATION})"
    )
)
_STATUS_THERE = """
    SELECT CASE
        WHEN '{incarnation}' <> {here} THEN 'unknown'
        WHEN CAST('{id}' AS xid8) < pg_snapshot_xmax(pg_current_snapshot())
            THEN coalesce(pg_xact_status(CAST('{id}' AS xid8)), 'unknown')
        ELSE 'in progress'
    END"""
_STATUS = Statement(
    text(
        f"""
        SELECT CASE
            WHEN :incarnation <> {_INCARNATION}
                THEN CASE WHEN {IS_CITUS} THEN 'elsewhere' ELSE 'unknown' END
            WHEN CAST(:id AS xid8) < pg_snapshot_xmax(pg_current_snapshot())
                THEN coalesce(pg_xact_status(CAST(:id AS xid8)), 'unknown')
            ELSE 'in progress'
        END
        """  # built from constants only
    ).bindparams(bindparam("incarnation", type_=Text()), bindparam("id", type_=Text()))
)

_ON_NODES = Statement(
    text("SELECT success, result FROM run_command_on_all_nodes(:command)").bindparams(
        bindparam("command", type_=Text())
    )
)
_ANSWERS = ("committed", "aborted", "in progress")


class Outcomes:
    """The lookup of a process. It asks over any free connection."""

    def __init__(self, executor: Executor, patience: float = PATIENCE) -> None:
        self._executor = executor
        self._patience = patience

    async def committed(self, lost: CommitLost) -> bool | None:
        """Return whether the transaction was committed; `None` if that cannot be found out."""
        if lost.identity is None:
            return None
        number, _, incarnation = lost.identity.partition(" ")
        try:
            async with asyncio.timeout(self._patience):
                while True:
                    status = await self._status(number, incarnation)
                    if status in ("committed", "aborted"):
                        return status == "committed"
                    if status == "unknown":
                        return None
                    await asyncio.sleep(_PAUSE)
        except TimeoutError:
            return None

    async def _status(self, number: str, incarnation: str) -> str:
        """Return PostgreSQL's word for it, `in progress` also while the server gives no answer."""
        try:
            ((status,),) = await self._executor.fetch(_STATUS, id=number, incarnation=incarnation)
            if status == "elsewhere":
                return await self._status_elsewhere(number, incarnation)
        except Exception as error:
            if not is_outage(error):
                raise
            return "in progress"
        return str(status)

    async def _status_elsewhere(self, number: str, incarnation: str) -> str:
        """Return the word of the node whose incarnation it is, once every node could be asked."""
        if not _NUMBER.fullmatch(number) or not _PLAIN.fullmatch(incarnation):
            return "unknown"
        command = _STATUS_THERE.format(incarnation=incarnation, here=_INCARNATION, id=number)
        nodes = [tuple(row) for row in await self._executor.fetch(_ON_NODES, command=command)]
        found = next((result for success, result in nodes if success and result in _ANSWERS), None)
        if found is None and not all(success for success, _ in nodes):
            return "in progress"
        return found or "unknown"


async def commit(session: AsyncSession) -> bool:
    """Commit a session's transaction; return whether it had written anything.

    Raises `CommitLost` if the connection died while it was committed. Any other error means that
    nothing was changed.
    """
    await session.flush()
    identity = noted(session)
    if identity is None:
        ((identity,),) = await SessionExecutor(session).fetch(_OWN)
    # Without an id there is only the server's incarnation: nothing was locked or written.
    wrote = " " in identity
    try:
        await session.commit()
    except Exception as error:
        if wrote:
            raise_if_lost(error, identity)
        raise
    return wrote

"""Statements that wait for a lock, wherever they wait: with Citus on the node with the rows."""

import asyncio
from typing import Any

from sqlalchemy import Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database

_WAITING = """
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE NOT granted AND datname = current_database()"""
_IS_CITUS = text("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus')")
_ON_NODES = text(
    "SELECT sum(CAST(result AS int)) FROM run_command_on_all_nodes(:command)"
).bindparams(bindparam("command", type_=Text()))
PAUSE = 0.005


async def until_waiting(
    database: Database, *, number: int = 1, task: asyncio.Future[Any] | None = None
) -> None:
    """Wait until so many statements, no matter whose, wait for a lock. Nothing reports that, so
    this polls. `task` is the one that should: it must not end meanwhile.
    """
    async with database.read_sessions() as session:
        while await total(session, f"SELECT count(*) {_WAITING}") < number:
            assert task is None or not task.done(), "it did not wait"
            await asyncio.sleep(PAUSE)


async def is_waiting(database: Database) -> bool:
    async with database.read_sessions() as session:
        return await total(session, f"SELECT count(*) {_WAITING}") > 0


async def cancel_waiting(database: Database) -> int:
    """Cancel the statements that wait for a lock, and return how many."""
    async with database.read_sessions() as session:
        return await total(session, f"SELECT count(pg_cancel_backend(pid)) {_WAITING}")


async def total(session: AsyncSession, command: str) -> int:
    """Return the number that a statement finds, on nodes of Citus the sum of what each finds."""
    if await session.scalar(_IS_CITUS):
        return await session.scalar(_ON_NODES, {"command": command}) or 0
    return await session.scalar(text(command)) or 0

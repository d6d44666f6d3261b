"""Which of a role's rights its statements use, as PostgreSQL itself decides it.

A right is used if, once it is taken away, PostgreSQL refuses a statement: it looks at the rights of
a statement's tables, columns and functions when the statement begins, which EXPLAIN does without
running it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.driver import driver_connection
from app.db.engine import Database
from app.db.lending import Driver

_GRANT = re.compile(r"GRANT (?P<rights>.+) ON (?P<on>(?:TABLE|FUNCTION) .+) TO (?P<role>\w+)")
_RIGHT = re.compile(r"(\w+)(?: \(([\w, ]+)\))?(?:, |$)")
_DML = re.compile(r"\s*(WITH|SELECT|INSERT|UPDATE|DELETE|MERGE|VALUES)\b", re.IGNORECASE)
_PARAMETER = re.compile(r"\$(\d+)")


class Right(NamedTuple):
    """One right of a role, such as `SELECT` or `UPDATE (closed_at)` on `TABLE positions`."""

    role: str
    right: str
    on: str

    @property
    def name(self) -> str:
        """The name of the table or function alone."""
        return self.on.split(" ", 1)[1].partition("(")[0]


def rights_of(grants: Iterable[str], roles: Iterable[str]) -> Iterator[Right]:
    """Yield each single right of these roles on tables, columns and functions."""
    for grant in grants:
        found = _GRANT.fullmatch(grant)
        if found is None or found["role"] not in roles:
            continue
        for verb, columns in _RIGHT.findall(found["rights"]):
            rights = [f"{verb} ({column})" for column in columns.split(", ")] if columns else [verb]
            for right in rights:
                yield Right(found["role"], right, found["on"])


async def unused(
    database: Database, rights: Iterable[Right], sent: Mapping[str, Iterable[str]]
) -> set[Right]:
    """Return the rights that no statement which its role has sent needs. Changes nothing."""
    async with database.engine.connect() as connection, connection.begin() as undone:
        found = await unused_here(connection, rights, sent)
        await undone.rollback()
    return found


async def unused_here(
    connection: AsyncConnection, rights: Iterable[Right], sent: Mapping[str, Iterable[str]]
) -> set[Right]:
    """Do the same in a superuser's transaction, which its caller rolls back."""
    # Sent by SQLAlchemy, which begins the transaction with its first statement.
    await connection.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
    driver = await driver_connection(connection)
    # Citus' own catalog needs no right of ours, and other databases do not have it.
    every = {one for texts in sent.values() for one in texts}
    texts = {one for one in every if _DML.match(one) and "pg_dist_" not in one}
    names = {statement: f"sent_{number}" for number, statement in enumerate(texts)}
    prepared = {
        statement: await _prepare(driver, name, statement) for statement, name in names.items()
    }
    found = set()
    for right in rights:
        word = re.compile(rf"\b{right.name}\b")
        trials = [
            prepared[statement]
            for statement in sent[right.role]
            if statement in prepared and word.search(statement)
        ]
        if not await _is_needed(driver, right, trials):
            found.add(right)
    await driver.execute("".join(f"DEALLOCATE {name};" for name in names.values()))
    return found


async def _prepare(driver: Driver, name: str, statement: str) -> str:
    """Prepare a statement; return what explains it. Its plan is for all values, so none is asked.

    Prepared once, since PostgreSQL plans it again only after a change of what it depends on.
    """
    await driver.execute(f"PREPARE {name} AS {statement}")
    count = max(map(int, _PARAMETER.findall(statement)), default=0)
    return f"EXPLAIN EXECUTE {name}" + (f"({', '.join(['NULL'] * count)})" if count else "")


async def _is_needed(driver: Driver, right: Right, trials: Iterable[str]) -> bool:
    """Return whether PostgreSQL refuses one of these once the right is taken away."""
    trial = driver.transaction()
    await trial.start()
    try:
        await driver.execute(f"REVOKE {right.right} ON {right.on} FROM {right.role}")
        await driver.execute(f"SET LOCAL ROLE {right.role}")
        for explain in trials:
            await driver.execute(explain)
    except asyncpg.InsufficientPrivilegeError:
        return True
    finally:
        await trial.rollback()
    return False

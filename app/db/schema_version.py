"""The migration that a database is at, and what that means to this code.

Every process asks this at start and for `/readyz`, so it does without Alembic, which takes a tenth
of a process's memory. A test compares the two.
"""

import re
from functools import cache
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"

_REVISION = re.compile(r'^revision = "([0-9]+)"$', re.MULTILINE)
_EXISTS = text("SELECT to_regclass('alembic_version') IS NOT NULL")
_CURRENT = text("SELECT version_num FROM alembic_version")


@cache
def revisions() -> frozenset[str]:
    """Return the migrations that this code contains."""
    texts = (path.read_text() for path in (MIGRATIONS / "versions").glob("*.py"))
    return frozenset(found[1] for found in map(_REVISION.search, texts) if found)


def head() -> str:
    """Return the newest migration that this code contains: they are numbered."""
    return max(revisions(), key=int)


def is_newer(revision: str | None) -> bool:
    """Return whether a later release made this migration.

    One that this code does not contain has a higher number than its head.
    """
    return revision is not None and revision.isdecimal() and int(revision) > int(head())


def is_known(revision: str) -> bool:
    """Return whether this code contains the migration."""
    return revision in revisions()


def serves(revision: str | None) -> bool:
    """Return whether this code can serve a database at this migration: its own head or a newer one.

    Migrations expand before they contract (CONTRIBUTING.md), so that processes of the release
    before go on while a deployment replaces them.
    """
    return revision == head() or is_newer(revision)


async def current(connection: AsyncConnection) -> str | None:
    """Return the database's current migration, `None` before the first."""
    if not await connection.scalar(_EXISTS):
        return None
    found: str | None = await connection.scalar(_CURRENT)
    return found

"""Whether a worker can begin: on a database that is migrated, with a login that is a worker's."""

import asyncio

import structlog
from sqlalchemy.exc import DBAPIError

from app.db.engine import Database
from app.db.failures import is_outage, sqlstate
from app.db.rights import LoginRights, Verdict
from app.db.schema_version import current, head, serves

AGAIN_SECONDS = 5.0
"""Pause before a database that does not respond is asked again."""

_NOT_ALLOWED = "42501"
log = structlog.get_logger("botkeys.start")


class UnusableDatabase(Exception):
    """The database is not migrated, or the login is another one's. The message says what to do."""


async def require_usable(database: Database, rights: LoginRights) -> None:
    """Return once the database can be worked on, and wait while it does not respond.

    Raises `UnusableDatabase` if the database is not migrated, or the login has none of the roles
    that its tasks need. A login that merely lacks some rights begins: tasks that need none of them
    go on, and `/readyz` says what is missing.
    """
    while True:
        try:
            verdict, at, known = await _look(database, rights)
        except Exception as error:
            if not is_outage(error):
                raise
            log.warning("database_awaited", exception=type(error).__name__)
            await asyncio.sleep(AGAIN_SECONDS)
        else:
            break
    if verdict.another:
        raise UnusableDatabase(
            f"The database's login cannot do this worker's tasks: {verdict.fault}. Is "
            "BOTKEYS_DATABASE_URL right?"
        )
    if not known:
        raise UnusableDatabase(
            f"The database cannot be used: {verdict.fault or 'its migration cannot be read'}."
        )
    if not serves(at):
        raise UnusableDatabase(
            f"The database is at migration {at or 'none'}, but this release needs {head()}. Run "
            "`botkeys migrate` first."
        )


async def _look(database: Database, rights: LoginRights) -> tuple[Verdict, str | None, bool]:
    """Return what is wrong with the login, the migration, and whether it could be read."""
    async with database.engine.connect() as connection:
        verdict = await rights.look(connection)
        try:
            return verdict, await current(connection), True
        except DBAPIError as error:
            if sqlstate(error) != _NOT_ALLOWED:
                raise
            return verdict, None, False

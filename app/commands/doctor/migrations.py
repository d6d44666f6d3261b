"""Whether the database is at a migration that this release can serve."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.commands.doctor.finding import Finding, fault, ok
from app.db.failures import is_lost
from app.db.migrate import ForeignDatabase
from app.db.schema_version import current, head, is_known, is_newer

NAME = "migrations"


@dataclass(frozen=True, slots=True)
class At:
    """The database's migration; not `readable` if the login may not read it."""

    revision: str | None
    readable: bool = True


async def read(connection: AsyncConnection) -> At:
    try:
        async with connection.begin_nested():
            return At(await current(connection))
    except DBAPIError as error:
        if is_lost(error):
            raise
        return At(None, readable=False)


async def look(found: At) -> AsyncIterator[Finding]:
    at = found.revision
    if not found.readable:
        yield fault(
            NAME,
            "The login may not read which migration the database is at.",
            "Give the service's roles their rights: `botkeys grants` with the owner's login.",
        )
        return
    if at == head():
        yield ok(NAME, f"The database is at migration {at}, the newest.")
    elif is_newer(at):
        yield ok(NAME, f"A newer release has migrated the database to {at}; this one serves it.")
    elif at is None or is_known(at):
        yield fault(
            NAME,
            f"The database is at migration {at or 'none'}, this release needs {head()}.",
            "Run `botkeys migrate` with the owner's login; `--check` lists what it would do.",
        )
    else:
        yield fault(NAME, str(ForeignDatabase(at)))

"""The whole database as text, every table and column, to see what changed and what it contains."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import ACCOUNTLESS
from app.db.engine import Database

Dump = dict[str, list[str]]

_TABLES = text(
    "SELECT quote_ident(table_name) FROM information_schema.tables "
    "WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
)


async def dump(database: Database) -> Dump:
    """Return by table each row in PostgreSQL's own text form, with `bytea` in hexadecimal."""
    async with database.sessions() as session:
        return await _rows(session, list(await session.scalars(_TABLES)))


async def dump_of_accounts(database: Database) -> Dump:
    """Return the rows that belong to accounts, without what was fetched from exchanges for all."""
    async with database.sessions() as session:
        names = set(await session.scalars(_TABLES)) - ACCOUNTLESS
        return await _rows(session, sorted(names))


async def _rows(session: AsyncSession, names: list[str]) -> Dump:
    rows = " UNION ALL ".join(f"SELECT '{name}', t::text FROM {name} t" for name in names)  # noqa: S608  # names from the catalogue
    found: Dump = {name: [] for name in names}
    for name, row in await session.execute(text(rows)):
        found[name].append(row)
    return {name: sorted(rows) for name, rows in found.items()}


def without(found: Dump, *tables: str) -> Dump:
    return {name: rows for name, rows in found.items() if name not in tables}

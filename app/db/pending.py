"""What `botkeys migrate` would do to a database, found without changing it or taking a lock."""

import io
import re
from contextlib import redirect_stdout
from dataclasses import dataclass
from enum import IntEnum

from alembic import command
from alembic.script import Script, ScriptDirectory
from sqlalchemy import ARRAY, Text, bindparam, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import open_database
from app.db.failures import sqlstate
from app.db.migrate import ForeignDatabase, alembic_config
from app.db.schema_version import current, head, is_known, is_newer

_NOT_ALLOWED = "42501"
_BLOCKING = "ACCESS EXCLUSIVE"
_MADE = re.compile(r"^CREATE TABLE (\w+)")
_STATEMENTS = (
    (
        # https://www.postgresql.org/docs/current/sql-altertable.html: a check of what is there, or
        # options of a column or a table; alone, since the strongest lock of all actions is taken
        re.compile(
            r"^ALTER TABLE (?:ONLY )?(?:\w+\.)?(\w+)"
            r" (?:VALIDATE CONSTRAINT \w+|(?:ALTER(?: COLUMN)? \w+ )?(?:RE)?SET \([^)]*\)"
            r"|ALTER(?: COLUMN)? \w+ SET STATISTICS -?\d+)\s*;?\s*$"
        ),
        "SHARE UPDATE EXCLUSIVE",
    ),
    (re.compile(r"^ALTER TABLE (?:ONLY )?(?:\w+\.)?(\w+) "), _BLOCKING),
    (re.compile(r"^LOCK TABLE (\w+) IN ACCESS EXCLUSIVE "), _BLOCKING),
    (re.compile(r"^LOCK TABLE (\w+) IN SHARE ROW EXCLUSIVE "), "SHARE ROW EXCLUSIVE"),
    (re.compile(r"^DROP TABLE (?:IF EXISTS )?(\w+)"), _BLOCKING),
    (re.compile(r"^CREATE (?:UNIQUE )?INDEX \w+ ON (?:ONLY )?(\w+) "), "SHARE"),
    (re.compile(r"^CREATE (?:CONSTRAINT )?TRIGGER .* ON (\w+)"), "SHARE ROW EXCLUSIVE"),
    (re.compile(r"^(?:UPDATE|DELETE FROM|INSERT INTO) (\w+)"), "ROW EXCLUSIVE"),
)
"""The table and the lock of each kind of statement that works on a table as a whole."""

_MEANING = {
    _BLOCKING: "neither read nor written meanwhile",
    "SHARE": "read but not written while an index is built",
    "SHARE ROW EXCLUSIVE": "read but not written meanwhile",
    "SHARE UPDATE EXCLUSIVE": "read and written as usual, without a vacuum meanwhile",
    "ROW EXCLUSIVE": "read and written as usual, but for the rows that change",
}
"""What a lock means to others, the strongest first."""

_SIZES = text(
    "SELECT found.name, sum(greatest(part.reltuples, 0))::bigint,"
    " sum(pg_table_size(part.oid))::bigint"
    " FROM (SELECT relname AS name, tree.relid AS part FROM pg_class,"
    " LATERAL pg_partition_tree(oid) AS tree WHERE relkind = 'p' AND relname = ANY (:tables)"
    " AND relnamespace = 'public'::regnamespace"
    " UNION ALL SELECT relname, oid FROM pg_class WHERE relkind = 'r'"
    " AND relname = ANY (:tables) AND relnamespace = 'public'::regnamespace) AS found"
    " JOIN pg_class AS part ON part.oid = found.part AND part.relkind = 'r' GROUP BY 1"
).bindparams(bindparam("tables", type_=ARRAY(Text())))
"""The rows of tables as last counted by PostgreSQL, and their bytes without indexes.

Without a type the tables would be `name[]`, which the driver looks up in the catalog: for many
seconds at a Citus coordinator.
"""


class CheckStatus(IntEnum):
    """The exit statuses of `botkeys migrate --check`; whatever prevents the check ends with 1."""

    NOTHING_TO_DO = 0
    PENDING = 3
    NEWER = 4
    FOREIGN = 5


class MigrationUnknown(Exception):
    """The login may not read which migration the database is at."""

    def __init__(self) -> None:
        super().__init__(
            "The login may not read alembic_version, so which migration the database is at stays "
            "unknown. Use the owner's login, or that of a role of the service, with this release's "
            "rights (`botkeys grants`)."
        )


@dataclass(frozen=True, slots=True)
class Effect:
    """A table that a migration locks; `rows` and `size` (bytes) are estimates of PostgreSQL's."""

    table: str
    lock: str
    rows: int = 0
    size: int = 0

    def __str__(self) -> str:
        return (
            f"{self.table}: lock {self.lock} ({_MEANING[self.lock]}), about {self.rows:,} rows, "
            f"{self.size / 1024**2:,.1f} MiB"
        )


@dataclass(frozen=True, slots=True)
class Pending:
    """A migration that is to be made. `explanation` is what its author says of it."""

    revision: str
    title: str
    explanation: str
    effects: tuple[Effect, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """The state of a database; `sentence` says it for people."""

    status: CheckStatus
    sentence: str
    pending: tuple[Pending, ...] = ()


async def look(url: str) -> Found:
    """Return what `botkeys migrate` would find, read in one transaction that may not write.

    Any login will do that may read `alembic_version`; a standby will too. Raises
    `MigrationUnknown`.
    """
    database = open_database(url, application_name="botkeys-migrate-check", pool_size=None)
    try:
        async with database.engine.connect() as connection:
            await connection.execute(text("SET TRANSACTION READ ONLY"))
            at = await current(connection)
            if at is not None and not is_known(at) and not is_newer(at):
                return Found(CheckStatus.FOREIGN, str(ForeignDatabase(at)))
            if is_newer(at):
                return Found(
                    CheckStatus.NEWER,
                    f"A newer release has migrated the database to {at}; this one ends at "
                    f"{head()}. Its processes can serve it, and it has nothing to do.",
                )
            pending = await _with_sizes(connection, pending_after(at))
    except DBAPIError as error:
        if sqlstate(error) == _NOT_ALLOWED:
            raise MigrationUnknown from None
        raise
    finally:
        await database.close()
    if not pending:
        return Found(CheckStatus.NOTHING_TO_DO, f"The database is at migration {at}, the newest.")
    count = f"{len(pending)} migration" + ("s are" if len(pending) > 1 else " is")
    since = "has no migration yet" if at is None else f"is at migration {at}"
    return Found(CheckStatus.PENDING, f"The database {since}; {count} pending.", pending)


def pending_after(at: str | None) -> tuple[Pending, ...]:
    """Return the migrations after this one in order, with the locks of their statements."""
    scripts = ScriptDirectory.from_config(alembic_config())
    found = list(scripts.iterate_revisions("heads", at or "base"))
    return tuple(_pending(script) for script in reversed(found))


def effects_of(sql: str) -> tuple[Effect, ...]:
    """Return the strongest lock on each table that exists before these statements.

    Statements begin lines; what is indented is a part of one, such as a function's body.
    """
    made: set[str] = {"alembic_version"}
    locks: dict[str, str] = {}
    order = list(_MEANING)
    for line in sql.splitlines():
        table = _MADE.match(line)
        if table is not None:
            made.add(table[1])
            continue
        match, lock = next(
            ((match, lock) for kind, lock in _STATEMENTS if (match := kind.match(line))), (None, "")
        )
        if match is None or match[1] in made:
            continue
        before = locks.get(match[1], lock)
        locks[match[1]] = min(before, lock, key=order.index)
    return tuple(Effect(table, lock) for table, lock in sorted(locks.items()))


def _pending(script: Script) -> Pending:
    paragraphs = (script.longdoc or "").strip().split("\n\n")
    title, *rest = (" ".join(paragraph.split()) for paragraph in paragraphs)
    sql = _sql(f"{script.down_revision or 'base'}:{script.revision}")
    return Pending(script.revision, title, " ".join(rest), effects_of(sql))


def _sql(steps: str) -> str:
    output = io.StringIO()
    config = alembic_config()
    config.output_buffer = output
    with redirect_stdout(output):
        command.upgrade(config, steps, sql=True)
    return output.getvalue()


async def _with_sizes(
    connection: AsyncConnection, pending: tuple[Pending, ...]
) -> tuple[Pending, ...]:
    """Return the migrations with the sizes of the tables that exist; others take no time."""
    tables = sorted({effect.table for one in pending for effect in one.effects})
    rows = (await connection.execute(_SIZES, {"tables": tables})).all() if tables else ()
    sizes = {table: (int(count), int(size)) for table, count, size in rows}
    return tuple(
        Pending(
            one.revision,
            one.title,
            one.explanation,
            tuple(
                Effect(effect.table, effect.lock, *sizes[effect.table])
                for effect in one.effects
                if effect.table in sizes
            ),
        )
        for one in pending
    )

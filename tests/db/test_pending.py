"""`migrate --check`: what is to be done, for each state of a database, without changing it."""

import re
from collections.abc import AsyncIterator

import pytest
from sqlalchemy.exc import DBAPIError

from app.commands.check_migrations import check_migrations
from app.db.migrate import ForeignDatabase, migrate
from app.db.pending import Effect, MigrationUnknown, effects_of, pending_after
from app.db.schema_version import head
from scripts.check_migrations import migration_sql
from tests.support.database import Server, database_copy, execute

WORKS_ON_A_TABLE = re.compile(
    r"(ALTER TABLE|DROP TABLE|UPDATE|DELETE|INSERT|TRUNCATE|LOCK|CLUSTER|REINDEX|VACUUM|"
    r"CREATE (?!TABLE|FUNCTION|OR REPLACE FUNCTION|ROLE|SCHEMA|AGGREGATE|TYPE)) ?"
)


@pytest.fixture
async def copy(server: Server) -> AsyncIterator[str]:
    """Provide the name of a migrated database of the test's own."""
    async with database_copy(server) as name:
        yield name


async def test_each_state_of_a_database_has_its_status_for_a_login_that_may_not_write(
    server: Server, copy: str
) -> None:
    owner, reader = server.url(copy, superuser=True), server.url(copy)

    async def checked(*statements: str) -> tuple[int, list[str]]:
        await execute(owner, *statements)
        lines = list[str]()
        return int(await check_migrations(reader, lines.append)), lines

    at = "UPDATE alembic_version SET version_num = '{}'"
    assert await checked() == (0, [f"The database is at migration {head()}, the newest."])

    status, lines = await checked(at.format("0042"))
    assert status == 3
    pending = [line.split()[0] for line in lines[1:] if not line.startswith(" ")]
    numbers = [f"{number:04}" for number in range(43, int(head()) + 1)]
    assert pending == numbers, "all are named, in their order"
    assert f"{len(numbers)} migrations are pending" in lines[0]
    text = "\n".join(lines)
    assert "0043  Keys and bots are listed in several orders" in text
    assert "      Each order has an index that begins with the account" in text
    assert "      keys: lock ACCESS EXCLUSIVE (neither read nor written meanwhile), about" in text
    assert "      bots: lock SHARE (read but not written while an index is built), about" in text
    assert "alembic_version:" not in text

    status, [sentence] = await checked(at.format("9999"))
    assert status == 4
    assert "A newer release" in sentence

    status, [sentence] = await checked(at.format("1c2d3e4f"))
    assert status == 5
    assert "'1c2d3e4f', which is none of Botkeys'" in sentence
    with pytest.raises(ForeignDatabase):
        await migrate(owner)

    status, lines = await checked("DROP TABLE alembic_version")
    assert status == 3
    assert "has no migration yet" in lines[0]


async def test_the_check_writes_nothing_and_says_what_it_may_not_read(
    server: Server, copy: str
) -> None:
    """A server that takes no writes, as a standby, is enough."""
    owner = server.url(copy, superuser=True)
    await execute(
        owner,
        "UPDATE alembic_version SET version_num = '0043'",
        "REVOKE SELECT ON alembic_version FROM botkeys_api, botkeys_runtime, botkeys_worker,"
        " botkeys_catalogue, botkeys_purge, botkeys_webhooks",
        f"ALTER DATABASE {copy} SET default_transaction_read_only = on",
    )
    assert await check_migrations(owner, lambda _: None) == 3
    with pytest.raises(DBAPIError):
        await migrate(owner)
    with pytest.raises(MigrationUnknown, match="may not read alembic_version"):
        await check_migrations(server.url(copy), lambda _: None)


def test_locks_are_those_of_statements_on_tables_that_were_there_before() -> None:
    """The strongest of each table; what a function's body does, it does later.

    Of several actions in one statement the strongest counts, taken as the strongest of all.
    """
    sql = """
CREATE TABLE fresh (
    id uuid
);
CREATE INDEX ix_fresh ON fresh (id);
CREATE UNIQUE INDEX ix_keys ON keys (id);
ALTER TABLE trades VALIDATE CONSTRAINT ck_trades;
ALTER TABLE releases ALTER COLUMN account_id SET (n_distinct = 100);
ALTER TABLE signals ALTER COLUMN account_id SET NOT NULL;
ALTER TABLE funding ALTER account_id SET (n_distinct = 100), ADD COLUMN more text;
ALTER TABLE webhooks VALIDATE CONSTRAINT ck_one, VALIDATE CONSTRAINT ck_other;
ALTER TABLE accounts ALTER COLUMN account_id SET STATISTICS 500;
UPDATE trades SET fees = 0;
UPDATE bots SET name = name;
ALTER TABLE bots ADD COLUMN more text;
CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$
    DELETE FROM events;
$$;
UPDATE alembic_version SET version_num='0002';
"""
    assert effects_of(sql) == (
        Effect("accounts", "SHARE UPDATE EXCLUSIVE"),
        Effect("bots", "ACCESS EXCLUSIVE"),
        Effect("funding", "ACCESS EXCLUSIVE"),
        Effect("keys", "SHARE"),
        Effect("releases", "SHARE UPDATE EXCLUSIVE"),
        Effect("signals", "ACCESS EXCLUSIVE"),
        Effect("trades", "SHARE UPDATE EXCLUSIVE"),
        Effect("webhooks", "ACCESS EXCLUSIVE"),
    )


def test_no_statement_of_a_migration_on_an_existing_table_is_missing_from_the_list() -> None:
    """Else its lock would not be named; the removal of an index names no table."""
    every = pending_after(None)
    assert [one.revision for one in every] == sorted(one.revision for one in every)
    assert every[-1].revision == head()
    assert all(one.title for one in every)
    assert {"audit_events", "trades"} <= {found.table for one in every for found in one.effects}
    lines = [line for line in migration_sql().splitlines() if WORKS_ON_A_TABLE.match(line)]
    assert len(lines) > 100
    assert [line for line in lines if not effects_of(line) and "alembic_version" not in line] == []

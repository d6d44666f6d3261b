"""Migrations: they agree with the models, go up and down, and two deployments do not race."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import open_database
from app.db.migrate import alembic_config, check, migrate
from app.db.migration_locks import ADVISORY_LOCK, LOCK_SECONDS, MigrationBlocked, Patience
from app.db.schema_version import current, head, revisions
from scripts.check_migrations import migration_sql
from tests.support.database import Server, empty_database, execute
from tests.support.postgresql import newer_than_15

SCHEMA = """
    SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable
        || ' ' || coalesce(column_default, '')
    FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL
    SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL
    SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL
    SELECT table_name || ' ' || grantee || ' ' || privilege_type
    FROM information_schema.table_privileges WHERE table_schema = 'public'
    ORDER BY 1"""


def test_the_migrations_are_those_that_alembic_finds() -> None:
    scripts = ScriptDirectory.from_config(alembic_config())
    assert head() == scripts.get_current_head()
    assert revisions() == {script.revision for script in scripts.walk_revisions()}


@pytest.fixture
async def empty(server: Server) -> AsyncIterator[str]:
    """Provide the address of a new database without any table."""
    async with empty_database(server) as name:
        yield server.url(name, superuser=True)


async def connected(url: str) -> AsyncIterator[AsyncConnection]:
    database = open_database(url, application_name="botkeys-tests", pool_size=None)
    async with database.engine.connect() as connection:
        yield connection
    await database.close()


@pytest.fixture
async def connection(empty: str) -> AsyncIterator[AsyncConnection]:
    async for opened in connected(empty):
        yield opened


async def schema(connection: AsyncConnection) -> list[str]:
    found = list((await connection.execute(text(SCHEMA))).scalars())
    await connection.rollback()
    return found


async def test_the_migrations_end_at_what_the_models_say(
    empty: str, connection: AsyncConnection
) -> None:
    assert await current(connection) is None
    await connection.rollback()

    await migrate(empty)

    assert await current(connection) == head()
    await connection.run_sync(check)


async def test_down_to_nothing_and_up_again_gives_the_same_schema(
    empty: str, connection: AsyncConnection
) -> None:
    def downgrade(sync: Connection) -> None:
        config = alembic_config()
        config.attributes["connection"] = sync
        command.downgrade(config, "base")

    await migrate(empty)
    first = await schema(connection)

    await connection.run_sync(downgrade)
    await connection.commit()
    nothing = await schema(connection)
    await migrate(empty)

    assert len(first) > 100
    assert {line.split()[0].split(".")[0] for line in nothing if "CREATE" not in line} == {
        "alembic_version"
    }
    assert await schema(connection) == first


async def test_deployments_at_once_migrate_once(empty: str, connection: AsyncConnection) -> None:
    await asyncio.gather(*(migrate(empty) for _ in range(4)))

    assert await current(connection) == head()
    await connection.run_sync(check)


async def test_a_second_deployment_waits_for_the_first(
    empty: str, connection: AsyncConnection
) -> None:
    await connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
    reported: asyncio.Queue[str] = asyncio.Queue()
    second = asyncio.create_task(migrate(empty, Patience(report=reported.put_nowait)))
    async with asyncio.timeout(60):
        sentence = await reported.get()
    assert "another migration" in sentence
    assert "application 'botkeys-tests'" in sentence
    assert await current(connection) is None
    await connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": ADVISORY_LOCK})
    await connection.commit()
    await second

    assert await current(connection) == head()


async def test_a_deployment_does_not_wait_for_another_forever(
    empty: str, connection: AsyncConnection
) -> None:
    await connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
    await connection.commit()

    with pytest.raises(MigrationBlocked, match="Another process migrates this database: process"):
        await migrate(empty, Patience(seconds=0))


@pytest.fixture
async def long_reading(
    empty: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[AsyncConnection]:
    """Provide a transaction that has read `keys`, which the next migration would change."""

    def altered(connection: Connection) -> None:
        connection.execute(text("ALTER TABLE keys ADD COLUMN IF NOT EXISTS added int"))

    await migrate(empty)
    monkeypatch.setattr("app.db.migrate._upgrade", altered)
    async for reading in connected(empty):
        await reading.execute(text("SELECT count(*) FROM keys"))
        yield reading


async def test_a_migration_behind_a_long_reading_names_it_and_goes_on_afterwards(
    empty: str, long_reading: AsyncConnection
) -> None:
    reported: asyncio.Queue[str] = asyncio.Queue()
    migrating = asyncio.create_task(migrate(empty, Patience(report=reported.put_nowait)))
    async with asyncio.timeout(60):
        sentence = await reported.get()
    pid = await long_reading.scalar(text("SELECT pg_backend_pid()"))
    assert f"process {pid} (login " in sentence
    assert "application 'botkeys-tests'), in a transaction for " in sentence
    await long_reading.rollback()
    await migrating

    await long_reading.execute(text("SELECT added FROM keys"))


async def test_a_migration_blocked_for_too_long_ends_with_who_blocked_it(
    empty: str, long_reading: AsyncConnection
) -> None:
    pid = await long_reading.scalar(text("SELECT pg_backend_pid()"))

    with pytest.raises(MigrationBlocked, match=rf"held for 0 s by process {pid} ") as blocked:
        await migrate(empty, Patience(seconds=0.01))

    assert "SELECT" not in str(blocked.value)


async def test_a_blocked_migration_makes_others_wait_a_second_at_most(
    empty: str, long_reading: AsyncConnection
) -> None:
    migrating = asyncio.create_task(migrate(empty, Patience(seconds=6)))
    waits = []
    async for reader in connected(empty):
        while not migrating.done():
            began = monotonic()
            await reader.execute(text("SELECT count(*) FROM keys"))
            await reader.rollback()
            waits.append(monotonic() - began)
            await asyncio.sleep(0.02)
            if len(waits) > 30:
                await long_reading.rollback()
    await migrating

    assert 0.3 < max(waits) < LOCK_SECONDS + 3  # without a limit they would wait for ever


async def test_migrating_again_changes_nothing(empty: str, connection: AsyncConnection) -> None:
    await migrate(empty)
    first = await schema(connection)

    await migrate(empty)

    assert await schema(connection) == first


async def test_a_database_of_a_newer_release_stays_as_it_is(
    empty: str, connection: AsyncConnection
) -> None:
    await migrate(empty)
    await execute(empty, "UPDATE alembic_version SET version_num = '9999'")
    first = await schema(connection)

    assert await migrate(empty) == "9999"

    assert await schema(connection) == first
    assert await current(connection) == "9999"


def test_migrations_are_numbered_so_that_a_newer_one_has_a_higher_number() -> None:
    walked = ScriptDirectory.from_config(alembic_config()).walk_revisions()
    numbers = [revision.revision for revision in walked]  # the newest first

    assert all(len(number) == 4 and number.isdecimal() for number in numbers)
    assert numbers == sorted(numbers, reverse=True)


def test_no_migration_uses_what_postgresql_15_does_not_have() -> None:
    sql = migration_sql()

    assert "CREATE TABLE keys" in sql
    assert newer_than_15(sql) == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT any_value(x) FROM t",
        "ALTER TABLE t ADD c int GENERATED ALWAYS AS (x) VIRTUAL",
        "UPDATE t SET x = 1 RETURNING old.x",
        "CREATE TABLE t (id uuid DEFAULT uuidv7())",
    ],
)
def test_what_is_newer_would_be_noticed(sql: str) -> None:
    assert newer_than_15(sql) != []

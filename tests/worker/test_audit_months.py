"""The coming months of the audit log: made ahead, by one function that does nothing else."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from app.db.engine import Database, open_database
from app.db.failures import sqlstate
from app.db.migrate import alembic_config, migrate
from app.worker.housekeeping import make_audit_months
from tests.support.database import Server, database_copy, execute

PARTITIONS = """
    SELECT relname, pg_get_expr(relpartbound, pg_class.oid) AS bound FROM pg_class
    JOIN pg_inherits ON inhrelid = pg_class.oid WHERE inhparent = 'audit_events'::regclass"""
_LOCK_NOT_AVAILABLE = "55P03"
ACCOUNT = "00000000-0000-0000-0000-000000000001"
HEAD = f"INSERT INTO audit_heads (account_id, sequence, mac) VALUES ('{ACCOUNT}', 0, '')"  # noqa: S608  # text of our own
ENTRY = (
    "INSERT INTO audit_events (account_id, sequence, id, at, actor, actor_id, action, outcome,"
    " request_id, details, mac) SELECT '{account}', {sequence}, gen_random_uuid(), {at},"
    " 'user', '', '', 'allowed', '', '{{}}', ''"
)


def month(ahead: int) -> str:
    now = datetime.now(UTC)
    years, number = divmod(now.month - 1 + ahead, 12)
    return f"month_{now.year + years}_{number + 1:02}"


def entry(sequence: int, at: str) -> str:
    return ENTRY.format(account=ACCOUNT, sequence=sequence, at=at)


@pytest.fixture
async def owned(server: Server) -> AsyncIterator[Database]:
    """Provide a migrated database of the owner, with several connections."""
    async with database_copy(server) as name:
        database = open_database(
            server.url(name, superuser=True), application_name="botkeys-tests", pool_size=8
        )
        yield database
        await database.close()


async def run(database: Database, *statements: str) -> None:
    async with database.engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def found(database: Database) -> dict[str, str]:
    async with database.engine.connect() as connection:
        return {row.relname: row.bound for row in await connection.execute(text(PARTITIONS))}


async def test_this_month_and_the_next_three_are_made_once(owned: Database) -> None:
    expected = {"other", *(month(ahead) for ahead in range(4))}
    assert set(await found(owned)) == expected
    assert await make_audit_months(owned.sessions) == 0

    await run(owned, *(f"DROP TABLE audit_months.{month(ahead)}" for ahead in range(4)))
    made = await asyncio.gather(*(_made_in_some_turn(owned) for _ in range(6)))

    assert sum(made) == 4
    assert set(await found(owned)) == expected


async def _made_in_some_turn(database: Database) -> int:
    """Make months as a worker does: who waits a second for a lock tries again at its next turn."""
    while True:
        try:
            return await make_audit_months(database.sessions)
        except DBAPIError as error:
            if sqlstate(error) != _LOCK_NOT_AVAILABLE:
                raise


async def test_entries_without_a_month_are_stored_and_their_month_is_left_out(
    owned: Database,
) -> None:
    """No scan and no move of entries stands between a writer and its entry."""
    await run(
        owned,
        f"DROP TABLE audit_months.{month(0)}",
        f"DROP TABLE audit_months.{month(1)}",
        HEAD,
        entry(1, "now()"),
        entry(2, "'2099-01-01'"),
        entry(3, "'1999-01-01'"),
    )

    assert await make_audit_months(owned.sessions) == 1

    assert set(await found(owned)) == {"other", *(month(ahead) for ahead in (1, 2, 3))}


async def test_who_makes_a_month_waits_a_second_for_writers_and_keeps_nothing(
    owned: Database,
) -> None:
    await run(owned, f"DROP TABLE audit_months.{month(3)}", HEAD)
    async with owned.engine.connect() as writer:
        await writer.execute(text("UPDATE audit_heads SET sequence = 0"))
        with pytest.raises(Exception, match="lock timeout"):
            await make_audit_months(owned.sessions)
    assert month(3) not in await found(owned)
    assert await make_audit_months(owned.sessions) == 1


@pytest.mark.one_server("Releases before migration 0048 know no distributed tables.")
async def test_the_entries_so_far_become_one_partition_and_go_on_between_the_steps(
    server: Server,
) -> None:
    """Migrate from the release before, which goes on writing."""
    async with database_copy(server) as name:
        url = server.url(name, superuser=True)
        database = open_database(url, application_name="botkeys-tests", pool_size=None)

        async def to(revision: str) -> None:
            def step(connection: Connection) -> None:
                config = alembic_config()
                config.attributes["connection"] = connection
                move = command.upgrade if revision > "0026" else command.downgrade
                move(config, revision)

            async with database.engine.connect() as connection:
                await connection.run_sync(step)
                await connection.commit()

        await to("0026")
        await execute(url, HEAD, entry(1, "'2020-01-01'"), entry(2, "now()"))
        await to("0027")
        await execute(url, entry(3, "now() + interval '1 month'"))
        await to("0028")
        await execute(url, entry(4, "now() + interval '1 month'"))
        await migrate(url)
        await execute(url, entry(5, "now()"), entry(6, "now() + interval '1 year'"))

        bounds = await found(database)
        async with database.engine.connect() as connection:
            held = await connection.execute(
                text(
                    "SELECT sequence, relname FROM audit_events JOIN pg_class"
                    " ON pg_class.oid = audit_events.tableoid ORDER BY 1"
                )
            )
            checks = await connection.scalar(
                text("SELECT count(*) FROM pg_constraint WHERE conname = 'ck_audit_events_bound'")
            )
        assert [row.relname for row in held] == ["former"] * 5 + ["other"]
        assert checks == 0
        assert bounds["former"].startswith("FOR VALUES FROM (MINVALUE) TO ('")
        covered = {name for name in (month(ahead) for ahead in range(3)) if name not in bounds}
        assert month(0) in covered
        assert month(3) in bounds
        await to("0026")
        async with database.engine.connect() as connection:
            assert await connection.scalar(text("SELECT count(*) FROM audit_events")) == 6
        await migrate(url)
        assert set(await found(database)) == {"former", "other"}
        await database.close()

"""Migrations expand before they contract: the release before goes on on the present schema."""

from collections.abc import AsyncIterator

import pytest
from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import open_database
from app.db.migrate import alembic_config, migrate
from tests.support.database import Server, empty_database
from tests.support.former_release import MIGRATION

CONTRACTED: frozenset[str] = frozenset()
"""What the release before no longer uses, so that this one takes it away."""

TIGHTENED: frozenset[str] = frozenset()
"""The new constraints on tables of the release before, which accept all that it writes."""

RELIED_ON = text("""
    SELECT format('%s.%s is %s', attrelid::regclass, attname, format_type(atttypid, atttypmod))
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
        AND attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT format('%s.%s may be left out', attrelid::regclass, attname)
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
        AND attnum > 0 AND NOT attisdropped AND (NOT attnotnull OR atthasdef OR attidentity <> '')
    UNION ALL
    SELECT format('%s.%s may be null', attrelid::regclass, attname)
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
        AND attnum > 0 AND NOT attisdropped AND NOT attnotnull
    UNION ALL
    SELECT format('%s returns %s', oid::regprocedure, pg_get_function_result(oid))
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL
    SELECT format('%s may call %s', rolname, pg_proc.oid::regprocedure)
    FROM pg_proc, pg_roles WHERE pronamespace = 'public'::regnamespace
        AND rolname LIKE 'botkeys\\_%'
        AND has_function_privilege(pg_roles.oid, pg_proc.oid, 'EXECUTE')
    UNION ALL
    SELECT format('%s may %s %s.%s', grantee, privilege_type, table_name, column_name)
    FROM information_schema.column_privileges
    WHERE table_schema = 'public' AND grantee LIKE 'botkeys\\_%'
    UNION ALL
    SELECT format('%s may %s %s', grantee, privilege_type, table_name)
    FROM information_schema.table_privileges
    WHERE table_schema = 'public' AND grantee LIKE 'botkeys\\_%'
        AND privilege_type IN ('INSERT', 'DELETE')
    """)
"""What a statement of a release can depend on, each as a sentence."""

CONSTRAINTS = text("""
    SELECT conrelid::regclass::text, format('%s %s', conname, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid <> 0
    UNION ALL
    SELECT indrelid::regclass::text, pg_get_indexdef(indexrelid)
    FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
    WHERE relnamespace = 'public'::regnamespace AND indisunique
    """)


@pytest.fixture
async def former(server: Server) -> AsyncIterator[tuple[str, AsyncConnection]]:
    """Provide the address of a database as the release before left it, and a connection."""

    def upgrade(sync: Connection) -> None:
        config = alembic_config()
        config.attributes["connection"] = sync
        command.upgrade(config, MIGRATION)

    async with empty_database(server) as name:
        url = server.url(name, superuser=True)
        database = open_database(url, application_name="botkeys-tests", pool_size=None)
        async with database.engine.connect() as connection:
            await connection.run_sync(upgrade)
            await connection.commit()
            yield url, connection
        await database.close()


async def relied_on(connection: AsyncConnection) -> set[str]:
    found = set((await connection.execute(RELIED_ON)).scalars())
    await connection.rollback()
    return found


async def constraints(connection: AsyncConnection) -> set[tuple[str, str]]:
    found = {(str(table), str(what)) for table, what in await connection.execute(CONSTRAINTS)}
    await connection.rollback()
    return found


async def test_the_release_before_finds_all_that_it_relies_on(
    former: tuple[str, AsyncConnection],
) -> None:
    """And nothing is required of the rows that it writes which it does not know."""
    url, connection = former
    before, known = await relied_on(connection), await constraints(connection)
    assert len(before) > 500
    tables = {sentence.partition(".")[0] for sentence in before if " is " in sentence}

    await migrate(url)

    after = await relied_on(connection)
    assert before - after == CONTRACTED
    added = {
        column
        for sentence in after - before
        if " is " in sentence and (column := sentence.partition(" ")[0]).partition(".")[0] in tables
    }
    assert [column for column in added if f"{column} may be left out" not in after] == []
    # That each new column may be left out is what was asked before.
    given = tuple(f"NOT NULL {column.partition('.')[2]}" for column in added)
    tighter = {
        what
        for table, what in await constraints(connection) - known
        if table in tables and not what.endswith(given)
    }
    assert tighter == TIGHTENED

    for broken in (
        "ALTER TABLE keys DROP COLUMN label CASCADE",
        "ALTER TABLE bots ALTER COLUMN name TYPE varchar(99)",
        "ALTER TABLE keys ALTER COLUMN expires_at SET NOT NULL",
        "REVOKE SELECT ON bots FROM botkeys_runtime",
        "DROP FUNCTION make_audit_months()",
    ):
        await connection.execute(text(broken))
        assert before - set((await connection.execute(RELIED_ON)).scalars()), broken
        await connection.rollback()

"""The rules that every table follows, read from the catalog of a migrated database."""

import re
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.base import ACCOUNTLESS, Base
from app.db.engine import Database
from app.db.roles import ROLES
from tests.support.database import HIDE_SHARDS

PERMITTED = {
    "master_keys",
    "master_key_holders",
    "restorations",
    # The catalogue: public data of the exchanges.
    "catalogues",
    "instruments",
    "instrument_prices",
    "learned_leverages",
    "former_contracts",
}
"""The tables that need not be distributed by account."""

UNDISTRIBUTED = sorted(ACCOUNTLESS | {"alembic_version"})

TABLES = """
    SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')"""

OURS = """
    SELECT c.oid, c.relname FROM pg_class AS c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
    UNION ALL
    SELECT i.inhrelid, c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhparent
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'p'"""
"""What holds rows: tables, and partitions under the name of the table that they belong to."""

FIRST_COLUMNS = f"""
    SELECT c.relname, k.conname, k.contype::text, a.attname AS first,
        target.relname AS target, f.attname AS target_first
    FROM pg_constraint AS k
    JOIN ({OURS}) AS c ON c.oid = k.conrelid
    JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
    LEFT JOIN pg_class AS target ON target.oid = k.confrelid AND k.contype = 'f'
    LEFT JOIN pg_attribute AS f ON f.attrelid = k.confrelid AND f.attnum = k.confkey[1]
    WHERE k.contype IN ('p', 'u', 'f', 'x')"""  # noqa: S608  # text of our own

INDEXES = f"""
    SELECT c.relname, i.relname AS index, a.attname AS first
    FROM pg_index AS x
    JOIN ({OURS}) AS c ON c.oid = x.indrelid
    JOIN pg_class AS i ON i.oid = x.indexrelid
    LEFT JOIN pg_attribute AS a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[0]
    WHERE x.indisunique"""  # noqa: S608  # text of our own


@pytest.fixture
async def catalog(shared_database: Database) -> AsyncIterator[AsyncConnection]:
    async with shared_database.engine.connect() as connection:
        await connection.execute(HIDE_SHARDS)
        yield connection


async def distributed(catalog: AsyncConnection) -> set[str]:
    tables = set((await catalog.execute(text(TABLES))).scalars())
    assert len(tables) > 10, "the database was not migrated"
    return tables - set(UNDISTRIBUTED)


async def test_only_these_tables_are_not_distributed_by_account() -> None:
    assert ACCOUNTLESS <= PERMITTED


async def test_every_other_table_has_an_account_that_is_never_null(
    catalog: AsyncConnection,
) -> None:
    having = (
        await catalog.execute(
            text(
                "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public'"
                " AND column_name = 'account_id' AND data_type = 'uuid' AND is_nullable = 'NO'"
            )
        )
    ).scalars()

    assert set(having) == await distributed(catalog)


async def test_every_key_of_such_a_table_begins_with_the_account(catalog: AsyncConnection) -> None:
    tables = await distributed(catalog)
    constraints = (await catalog.execute(text(FIRST_COLUMNS))).all()

    with_primary_key = {row.relname for row in constraints if row.contype == "p"}
    wrong = [
        row.conname for row in constraints if row.relname in tables and row.first != "account_id"
    ]

    assert with_primary_key >= tables
    assert wrong == []
    assert {row.contype for row in constraints if row.relname in tables} == {"p", "u", "f"}


async def test_every_foreign_key_leads_to_the_same_account(catalog: AsyncConnection) -> None:
    constraints = (await catalog.execute(text(FIRST_COLUMNS))).all()
    foreign = [row for row in constraints if row.contype == "f"]

    assert len(foreign) > 5
    for row in foreign:
        assert row.relname not in UNDISTRIBUTED or row.target in UNDISTRIBUTED, row.conname
        if row.relname not in UNDISTRIBUTED:
            assert row.target not in UNDISTRIBUTED, row.conname
            assert row.target_first == "account_id", row.conname


async def test_every_unique_index_begins_with_the_account(catalog: AsyncConnection) -> None:
    tables = await distributed(catalog)
    indexes = (await catalog.execute(text(INDEXES))).all()

    wrong = [row.index for row in indexes if row.relname in tables and row.first != "account_id"]

    assert {row.relname for row in indexes} >= tables
    assert wrong == []


@pytest.mark.one_server("Citus itself is an extension, with triggers of its own.")
async def test_no_trigger_rule_or_extension_does_anything_unseen(catalog: AsyncConnection) -> None:
    triggers = await catalog.execute(text("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"))
    extensions = await catalog.execute(text("SELECT extname FROM pg_extension"))

    assert list(triggers.scalars()) == []
    assert list(extensions.scalars()) == ["plpgsql"]


FUNCTIONS = """
    SELECT p.proname, p.prosecdef, p.proconfig, p.proowner = c.relowner AS of_the_owner, p.prosrc,
        p.prokind = 'a' AS is_aggregate,
        EXISTS (
            SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS given
            WHERE given.grantee = 0
        ) AS for_everyone
    FROM pg_proc p JOIN pg_class c ON c.oid = 'public.accounts'::regclass
    WHERE p.pronamespace = 'public'::regnamespace
"""


async def test_each_function_has_its_owners_rights_a_fixed_path_and_is_for_named_roles_only(
    catalog: AsyncConnection,
) -> None:
    """A caller can neither put tables of its own before ours nor lend the rights to others."""
    functions = (await catalog.execute(text(FUNCTIONS))).all()
    assert len(functions) >= 9
    for function in functions:
        assert function.of_the_owner, function.proname
        assert not function.for_everyone, function.proname
        if function.is_aggregate:
            # It has no text of its own, and runs functions that are checked here.
            continue
        assert function.prosecdef, function.proname
        path, *others = function.proconfig
        assert path == "search_path=pg_catalog, pg_temp", function.proname
        assert all(other.startswith("enable_") for other in others), function.proname
        named = re.findall(r"\b(?:FROM|JOIN|UPDATE|INTO) (?!former\b)([\w.%]+)", function.prosrc)
        ours = [name for name in named if name.partition(".")[0] in Base.metadata.tables]
        assert ours == [], function.proname


async def test_times_have_a_zone_and_amounts_no_binary_fractions(catalog: AsyncConnection) -> None:
    types = await catalog.execute(
        text(
            "SELECT DISTINCT data_type FROM information_schema.columns"
            " WHERE table_schema = 'public' AND table_name <> 'alembic_version'"
            " AND table_name NOT LIKE 'citus\\_%'"
        )
    )

    assert set(types.scalars()) <= {
        "ARRAY",
        "bigint",
        "boolean",
        "bytea",
        "date",
        "integer",
        "jsonb",
        "numeric",
        "text",
        "timestamp with time zone",
        "uuid",
    }


@pytest.mark.parametrize("role", ROLES)
async def test_no_role_of_the_service_can_alter_or_forget_an_audit_entry(
    catalog: AsyncConnection, role: str
) -> None:
    for right in ("UPDATE", "DELETE", "TRUNCATE"):
        query = text("SELECT has_table_privilege(:role, 'audit_events', :right)")
        assert not await catalog.scalar(query, {"role": role, "right": right})
    owned = text("SELECT count(*) FROM pg_class WHERE pg_get_userbyid(relowner) = :role")
    assert await catalog.scalar(owned, {"role": role}) == 0


PARTITIONS = """
    SELECT c.oid, n.nspname || '.' || c.relname AS name, n.nspname AS schema,
        c.relowner = p.relowner AS of_the_owner, (
            SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_constraint AS k
            JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
            WHERE k.conrelid = c.oid AND k.contype = 'p'
        ) AS key
    FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
    JOIN pg_class AS p ON p.oid = i.inhparent JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE p.relkind = 'p' AND c.relkind = 'r'"""


async def test_a_number_is_given_once_in_each_month_of_the_audit_log(
    catalog: AsyncConnection,
) -> None:
    """Rule R39."""
    partitions = (await catalog.execute(text(PARTITIONS))).all()

    assert {"audit_months.other"} < {partition.name for partition in partitions}
    assert len(partitions) == 5
    for partition in partitions:
        assert partition.schema == "audit_months", partition.name
        assert partition.of_the_owner, partition.name
        assert partition.key == ["account_id", "sequence"], partition.name


@pytest.mark.parametrize("role", [*ROLES, "public"])
async def test_no_role_of_the_service_reaches_a_partition_but_through_its_table(
    catalog: AsyncConnection, role: str
) -> None:
    for right in ("USAGE", "CREATE"):
        query = text("SELECT has_schema_privilege(:role, 'audit_months', :right)")
        assert not await catalog.scalar(query, {"role": role, "right": right})
    for partition in (await catalog.execute(text(PARTITIONS))).all():
        for right in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"):
            query = text("SELECT has_table_privilege(:role, CAST(:oid AS oid), :right)")
            values = {"role": role, "oid": partition.oid, "right": right}
            assert not await catalog.scalar(query, values), (partition.name, right)

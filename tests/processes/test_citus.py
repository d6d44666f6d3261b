"""The tables distributed over three real nodes of Citus."""

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import pytest
from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from app.db.base import ACCOUNTLESS
from app.db.distribution import LOCAL, NotDistributable, distribute_new
from app.db.engine import open_database
from app.db.granted import GRANTS
from app.db.grants import statements
from app.db.migrate import alembic_config, check, migrate
from app.db.roles import CREATE_ROLE, ROLES
from app.db.schema_version import head
from tests.processes import debian
from tests.processes.citus import Citus, citus
from tests.processes.clusters import OWNER
from tests.support.database import execute

pytestmark = [pytest.mark.torture, pytest.mark.timeout(600)]

TABLES = """
    SELECT table_name::text AS name, citus_table_type AS kind, distribution_column AS "column",
        count(*) OVER (PARTITION BY colocation_id) AS beside
    FROM citus_tables WHERE table_name::text NOT LIKE 'audit_months.%'"""

NOT_ON_ITS_NODE = """
    SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    AND 'p_account' = ANY (proargnames) AND oid NOT IN (
        SELECT objid FROM pg_dist_object WHERE classid = 'pg_proc'::regclass AND force_delegation
    )"""
"""The functions of one account that would not run on the account's node."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Citus]:
    with citus() as running:
        running.create_logins(f"CREATE ROLE {OWNER} LOGIN CREATEROLE PASSWORD '{debian.PASSWORD}'")
        yield running


@pytest.fixture
def empty(cluster: Citus) -> str:
    """Provide the name of a database of the cluster without any table, which the owner owns."""
    name = f"test_{uuid4().hex}"
    cluster.create_database(name, OWNER)
    return name


def kinds(cluster: Citus, database: str) -> dict[str, set[str]]:
    rows = cluster.fetch(database, TABLES)
    assert {row["column"] for row in rows} == {"account_id", "<none>"}
    assert {row["beside"] for row in rows if row["kind"] == "distributed"} == {
        sum(row["kind"] == "distributed" for row in rows)
    }, "all beside each other"
    return {
        kind: {row["name"] for row in rows if row["kind"] == kind}
        for kind in ("distributed", "reference")
    }


def tables(cluster: Citus, database: str) -> set[str]:
    query = """
        SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
        AND relkind IN ('r', 'p') AND NOT relispartition"""
    return {name for (name,) in cluster.fetch(database, query) if not name.startswith("citus_")}


def are_distributed(cluster: Citus, database: str) -> None:
    found = kinds(cluster, database)
    assert found["reference"] == ACCOUNTLESS
    assert found["distributed"] == tables(cluster, database) - ACCOUNTLESS - LOCAL
    assert cluster.fetch(database, NOT_ON_ITS_NODE) == []


async def on(url: str, look: object) -> None:
    database = open_database(url, application_name="botkeys-tests", pool_size=None)
    try:
        async with database.engine.connect() as connection:
            await connection.run_sync(look)  # type: ignore[arg-type]
    finally:
        await database.close()


def test_two_operators_at_once_distribute_every_table_once(cluster: Citus, empty: str) -> None:
    """R100."""
    url = cluster.url(OWNER, empty)

    async def both() -> list[str]:
        return list(await asyncio.gather(*(migrate(url, distribute=True) for _ in range(2))))

    assert asyncio.run(both()) == [head(), head()]
    are_distributed(cluster, empty)
    assert asyncio.run(migrate(url, distribute=True)) == head()
    assert asyncio.run(migrate(url)) == head()
    are_distributed(cluster, empty)
    asyncio.run(on(url, check))


def place_of(grant: str) -> str:
    return grant.partition(" ON ")[2]


def test_every_right_reaches_the_workers_and_their_shards(cluster: Citus, empty: str) -> None:
    asyncio.run(migrate(cluster.url(OWNER, empty), distribute=True))

    async def rights(url: str) -> tuple[str, ...]:
        database = open_database(url, application_name="botkeys-tests", pool_size=None)
        try:
            async with database.engine.connect() as connection:
                return await statements(connection)
        finally:
            await database.close()

    of_the_coordinator_alone = {one for one in GRANTS if " ON TABLE alembic_version " in one}
    assert asyncio.run(rights(cluster.url(OWNER, empty))) == GRANTS
    for node in cluster.workers:
        found = set(asyncio.run(rights(node.url(OWNER, empty))))
        absent = {one for one in GRANTS if one not in found}
        assert {one for one in absent if place_of(one) not in LOCKED} == of_the_coordinator_alone
        # What Citus' lock on reference tables needs, and what the copies with the rows do not have.
        assert {place_of(one) for one in found - set(GRANTS)} == LOCKED
    lacking = cluster.fetch(empty, LACKING)
    assert [tuple(row) for row in lacking] == []
    rows = cluster.fetch(empty, CHANGEABLE)
    assert [row["result"] for row in rows] == ["0"] * len(cluster.workers)


CHANGEABLE = """
    SELECT result FROM run_command_on_workers($$
        SELECT count(*) FROM pg_class WHERE relname ~ '^master_keys_[0-9]{6,}$'
        AND has_table_privilege('botkeys_runtime', oid, 'UPDATE, DELETE, TRUNCATE')
    $$)"""
"""Whether a copy of the master keys could be changed."""

LOCKED = {
    "TABLE master_keys TO botkeys_runtime",
    *(
        f"TABLE {table} TO botkeys_catalogue"
        for table in ("catalogues", "instrument_prices", "instruments")
    ),
}

LACKING = """
    SELECT nodeport, result FROM run_command_on_workers($$
        SELECT coalesce(string_agg(shard.relname, ', '), '') FROM pg_class AS shard
        JOIN pg_class AS whole ON shard.relname ~ ('^' || whole.relname || '_[0-9]{6,}$')
            AND shard.relnamespace = whole.relnamespace
        WHERE shard.relkind IN ('r', 'p') AND whole.relkind IN ('r', 'p')
        AND shard.relnamespace = 'public'::regnamespace
        AND whole.relname NOT IN ('master_keys', 'catalogues', 'instrument_prices', 'instruments')
        AND (shard.relacl::text IS DISTINCT FROM whole.relacl::text OR EXISTS (
            SELECT FROM pg_attribute AS a JOIN pg_attribute AS b ON b.attname = a.attname
            WHERE a.attrelid = shard.oid AND b.attrelid = whole.oid
            AND a.attacl::text IS DISTINCT FROM b.attacl::text
        ))
    $$) WHERE NOT success OR result <> ''"""
"""The shards with other rights than their tables have. Both are in the catalog of a worker."""


def test_rows_move_to_their_nodes(cluster: Citus, empty: str) -> None:
    url = cluster.url(OWNER, empty)
    asyncio.run(migrate(url))
    asyncio.run(
        execute(
            url,
            "INSERT INTO accounts (account_id, issuer, subject)"
            " SELECT gen_random_uuid(), 'issuer', number FROM generate_series(1, 40) AS number",
            "INSERT INTO event_heads (account_id, sequence) SELECT account_id, 7 FROM accounts",
            r"INSERT INTO master_keys (version, fingerprint) VALUES (1, '\x01')",
        )
    )

    asyncio.run(migrate(url, distribute=True))

    are_distributed(cluster, empty)
    found = cluster.fetch(
        empty, "SELECT account_id FROM accounts JOIN event_heads USING (account_id)"
    )
    assert len(found) == 40
    for node in cluster.nodes:
        local = asyncio.run(_local(node.url("postgres", empty)))
        assert (local == 0) is (node is cluster.coordinator), local
        assert 0 <= local < 40


async def _local(url: str) -> int:
    """Return the number of accounts in shards of this node, and in the table itself."""
    query = """
        SELECT coalesce(sum((xpath('/row/c/text()', query_to_xml(
            format('SELECT count(*) AS c FROM ONLY %s', oid::regclass), false, true, ''
        )))[1]::text::bigint), 0)
        FROM pg_class WHERE relname ~ '^accounts_[0-9]+$'"""
    database = open_database(url, application_name="botkeys-tests", pool_size=None)
    try:
        async with database.engine.connect() as connection:
            await connection.execute(text("SET citus.override_table_visibility = off"))
            return int(await connection.scalar(text(query)) or 0)
    finally:
        await database.close()


def test_a_later_migration_meets_distributed_tables(cluster: Citus, empty: str) -> None:
    """R100: tables, columns, constraints and functions of further migrations reach every node."""
    url = cluster.url(OWNER, empty)

    # As `migrate` does, each in a transaction of its own.
    asyncio.run(execute(url, *(CREATE_ROLE.format(role) for role in ROLES_THEN)))
    asyncio.run(on(url, _upgrade_to_earlier))
    asyncio.run(on(url, _distribute))
    asyncio.run(migrate(url))

    are_distributed(cluster, empty)
    asyncio.run(on(url, check))
    (months,) = cluster.fetch(empty, "SELECT make_audit_months() AS made")
    assert months["made"] == 0


EARLIER = "0041"
"""Before events and webhooks, which bring tables that refer to others, and a role."""

ROLES_THEN = [role for role in ROLES if role != "botkeys_webhooks"]


def _upgrade_to_earlier(connection: Connection) -> None:
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, EARLIER)
    connection.commit()


def _distribute(connection: Connection) -> None:
    distribute_new(connection)
    connection.commit()


def test_what_citus_keeps_in_another_way_is_left_alone(cluster: Citus, empty: str) -> None:
    url = cluster.url(OWNER, empty)
    asyncio.run(migrate(url))
    cluster.run(empty, "SELECT create_reference_table('dashboard_sessions')")

    with pytest.raises(NotDistributable, match="dashboard_sessions"):
        asyncio.run(migrate(url, distribute=True))

    assert "distributed" not in kinds_of(cluster, empty)


def kinds_of(cluster: Citus, database: str) -> set[str]:
    return {row["kind"] for row in cluster.fetch(database, TABLES)}


def test_a_cluster_needs_a_node_for_rows(cluster: Citus) -> None:
    name = f"test_{uuid4().hex}"
    cluster.create_database(name, OWNER, workers=0)
    node = f"'127.0.0.1', {cluster.coordinator.port}"
    cluster.run(name, f"SELECT citus_set_node_property({node}, 'shouldhaveshards', false)")

    with pytest.raises(NotDistributable, match="citus_add_node"):
        asyncio.run(migrate(cluster.url(OWNER, name), distribute=True))


def test_a_failed_distribution_changes_nothing(cluster: Citus, empty: str) -> None:
    url = cluster.url(OWNER, empty)
    asyncio.run(migrate(url))
    cluster.workers[1].stop()
    try:
        with pytest.raises((DBAPIError, OSError)):
            asyncio.run(migrate(url, distribute=True))
        assert kinds_of(cluster, empty) == set()
    finally:
        cluster.workers[1].start()
    asyncio.run(migrate(url, distribute=True))
    are_distributed(cluster, empty)

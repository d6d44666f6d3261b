"""Which table lies where on the nodes of a Citus cluster, as far as it can be known without one.

`tests/processes/test_citus.py` distributes them.
"""

import re
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from app.db.base import ACCOUNTLESS
from app.db.distribution import (
    FIRST,
    LOCAL,
    Kind,
    NotDistributable,
    Table,
    distribute_new,
    in_order,
    is_distributed,
    kind_of,
)
from app.db.engine import Database
from app.db.migrate import migrate
from tests.races.watch import AT_EACH_COMMIT
from tests.support.database import HIDE_SHARDS, Server

ROOT = Path(__file__).resolve().parents[2]

TABLES = """
    SELECT c.relname::text AS name,
        EXISTS (
            SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'account_id'
        ) AS has_account,
        ARRAY (
            SELECT DISTINCT other.relname::text
            FROM pg_constraint AS k JOIN pg_class AS other ON other.oid = k.confrelid
            WHERE k.conrelid = c.oid AND k.contype = 'f'
        ) AS refers_to
    FROM pg_class AS c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
    AND NOT c.relispartition"""


async def test_every_table_lies_in_one_way_on_the_nodes(shared_database: Database) -> None:
    """R100: by account where it has one, else whole on every node; one table needs neither."""
    async with shared_database.engine.connect() as connection:
        await connection.execute(HIDE_SHARDS)
        tables = (await connection.execute(text(TABLES))).all()

    found = {kind: {row.name for row in tables if kind_of(row.name) is kind} for kind in Kind}

    assert found[Kind.DISTRIBUTED] == {row.name for row in tables if row.has_account}
    assert found[Kind.REFERENCE] == ACCOUNTLESS
    assert found[Kind.LOCAL] == LOCAL == {"alembic_version"}


async def test_a_table_is_distributed_after_those_that_it_refers_to(
    shared_database: Database,
) -> None:
    async with shared_database.engine.connect() as connection:
        await connection.execute(HIDE_SHARDS)
        tables = (await connection.execute(text(TABLES))).all()

    order = in_order([Table(row.name, Kind.LOCAL, tuple(row.refers_to)) for row in tables])

    assert sorted(order) == sorted(row.name for row in tables)
    assert order[0] == FIRST or kind_of(order[0]) is not Kind.DISTRIBUTED
    for row in tables:
        before = set(order[: order.index(row.name)])
        assert set(row.refers_to) - {row.name} <= before, row.name
        assert row.name == FIRST or FIRST in before, row.name


@pytest.mark.one_server("The database has the extension.")
async def test_a_database_without_citus_is_left_as_it_is(
    copied_database: Database, server: Server
) -> None:
    def attempted(connection: Connection) -> None:
        assert not is_distributed(connection)
        with pytest.raises(NotDistributable, match="CREATE EXTENSION citus"):
            distribute_new(connection)

    async with copied_database.engine.connect() as connection:
        await connection.run_sync(attempted)

    name = copied_database.engine.url.database
    assert name is not None
    with pytest.raises(NotDistributable, match=r"docs/citus\.md"):
        await migrate(server.url(name, superuser=True), distribute=True)


def test_what_is_left_out_on_nodes_is_stated() -> None:
    """docs/citus.md repeats the reasons of the marks."""
    page = " ".join((ROOT / "docs/citus.md").read_text().split())
    reasons = {AT_EACH_COMMIT}
    for path in (ROOT / "tests").rglob("test_*.py"):
        reasons.update(re.findall(r'mark\.one_server\(\s*"([^"]+)"', path.read_text()))
    assert len(reasons) > 1
    assert {reason for reason in reasons if f"- {reason}" not in page} == set()

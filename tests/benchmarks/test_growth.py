"""What reads and sweeps touch as an installation grows, in the short form of `benchmarks.growth`.

Every reading route and every task of the workers is measured: a new one is measured too, or fails
here until it can be.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from app.settings import Role
from benchmarks.growth import seeding
from benchmarks.growth.calls import NOT_MEASURED, checks
from benchmarks.growth.curves import ACCEPTED, Curve, grows, measure
from benchmarks.growth.measuring import Cost
from benchmarks.growth.scene import Caller, Scene
from benchmarks.growth.sweeps import MADE_DUE
from benchmarks.growth.tables import MAC
from tests.support.database import Server, database_copy, execute
from tests.support.routes import document_of

SMALL, LARGE = 300, 2_000


@pytest_asyncio.fixture
async def database(server: Server) -> AsyncIterator[str]:
    """Provide an empty database in which PostgreSQL takes an index wherever one helps.

    It reads tables of this size as a whole, which says nothing about large ones.
    """
    async with database_copy(server) as name:
        await execute(server.superuser, f"ALTER DATABASE {name} SET enable_seqscan = off")
        yield name


@pytest.mark.torture
@pytest.mark.timeout(600)
async def test_readings_and_sweeps_touch_what_they_return_and_what_is_due(
    server: Server, database: str, tmp_path: Path
) -> None:
    """Rule R104."""
    url = server.url(database)
    owner = server.url(database, superuser=True)
    curves = await measure(url, owner, tmp_path, [SMALL, LARGE], print, whole=False)

    tasks = {curve.name for curve in curves if curve.kind == "sweep"}
    assert tasks == set(MADE_DUE)
    assert {curve.name for curve in curves if curve.kind == "idle"} == tasks
    grown = [
        (curve.kind, curve.name, curve.costs)
        for curve in curves
        if curve.grows and curve.accepted is None
    ]
    assert grown == []


DEFINITIONS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated
    FROM pg_constraint WHERE connamespace IN ('public'::regnamespace, 'audit_months'::regnamespace)
    UNION ALL
    SELECT indrelid::regclass::text,
        CASE WHEN relispartition THEN '' ELSE indexrelid::regclass::text END,
        regexp_replace(pg_get_indexdef(indexrelid), 'INDEX .* ON', 'INDEX ON'), indisvalid
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE relnamespace IN ('public'::regnamespace, 'audit_months'::regnamespace)
    ORDER BY 1, 2, 3
"""
FOREIGN_KEYS = """
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname),
        format('ALTER TABLE %s ADD %s', conrelid::regclass, pg_get_constraintdef(oid))
    FROM pg_constraint
    WHERE contype = 'f' AND conparentid = 0 AND connamespace = 'public'::regnamespace
"""
UNSEEN = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relallvisible < relpages
"""


@pytest.mark.one_server("What a statement reads on another node is not in its plan or counters.")
async def test_filling_at_size_leaves_constraints_and_indexes_as_they_were(
    server: Server, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seeding, "AT_SIZE", 0)
    owner, big = server.url(database, superuser=True), UUID(int=1)
    connection = await asyncpg.connect(owner.replace("+asyncpg", ""))
    await connection.execute(
        "INSERT INTO accounts (account_id, issuer, subject) VALUES ($1, 'issuer', 'big')", big
    )
    await connection.execute(
        "INSERT INTO audit_heads (account_id, sequence, mac) VALUES ($1, 0, $2)", big, MAC
    )
    before = await connection.fetch(DEFINITIONS)

    for begin, end in ((0, 300), (300, 1_000)):
        await seeding.grow(owner, big, begin, end, webhook=None, audit_key=MAC)

    assert await connection.fetch(DEFINITIONS) == before
    assert await connection.fetchval("SELECT count(*) FROM keys") == 1_000
    assert await connection.fetch(UNSEEN) == []
    # Nothing looked at the foreign keys: adding each again does.
    for away, again in await connection.fetch(FOREIGN_KEYS):
        await connection.execute(away)
        await connection.execute(again)
    await connection.close()


def scene() -> Scene:
    nobody = Caller(None, "")  # type: ignore[arg-type]  # nothing is sent
    names = ("key_id", "bot_id", "webhook_id", "symbol", "seeded_bot_id")
    return Scene(None, nobody, nobody, dict.fromkeys(names, "x"))  # type: ignore[arg-type]


def test_every_operation_is_measured_or_named_with_a_reason() -> None:
    operations = {
        (method, operation["operationId"])
        for methods in document_of(Role.ALL)["paths"].values()
        for method, operation in methods.items()
        if method in {"get", "post", "put", "patch", "delete"}
    }
    written = {name for method, name in operations if method != "get"}
    assert {name for _, name in operations} >= set(NOT_MEASURED)
    assert written - set(NOT_MEASURED) == set(checks(scene()))


def curve(*buffers: int) -> Curve:
    sizes = [1_000 * 10**step for step in range(len(buffers))]
    costs = {size: Cost(some, 0, 0.0, {}) for size, some in zip(sizes, buffers, strict=True)}
    return Curve("/v1/keys", "reading", costs)


def test_a_level_of_an_index_is_no_growth_and_a_table_that_is_read_is() -> None:
    assert not curve(40, 44, 51, 60).grows
    assert not curve(200, 260, 330, 400).grows
    assert curve(1, 400, 420, 440).grows is False
    assert curve(40, 60, 260, 2_600).grows
    assert grows({500: 100, 4_000: 800}, 250)


def test_what_is_accepted_names_no_list_in_its_order() -> None:
    assert curve(1, 1).accepted is None
    for name in ("/v1/keys sort=label", "/v1/bots", "/v1/keys/{key_id}/assets", "expiry", "sweep"):
        assert Curve(name, "reading").accepted is None
    assert Curve("/v1/keys search=x", "reading").accepted in ACCEPTED.values()

"""What reads and sweeps touch as an installation grows, in the short form of `benchmarks.growth`.

Every reading route and every task of the workers is measured: a new one is measured too, or fails
here until it can be.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from app.settings import Role
from benchmarks.growth.calls import NOT_MEASURED, checks
from benchmarks.growth.curves import ACCEPTED, Curve, grows, measure
from benchmarks.growth.measuring import Cost
from benchmarks.growth.scene import Caller, Scene
from benchmarks.growth.sweeps import MADE_DUE
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

"""What a worker shows of itself: its pulse, its readiness and its metrics."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import pytest
import pytest_asyncio
from httpx import AsyncClient
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.db.engine import Database
from app.db.models import Catalogue
from app.db.rights import LoginRights
from app.domains.catalogue.repository import CatalogueKey
from app.worker.gauges import Family, Gauges, Sample
from app.worker.loop import Task, catalogue_tasks, purge_tasks, work
from app.worker.operations import STUCK_SECONDS, WorkerVitals, operations_app
from app.worker.watch import beat
from botkeys.exchanges.model import ContractType, Environment
from tests.support.purging import fill
from tests.support.world import World, served

STATEMENT = 10.0


def values(metrics: str, name: str) -> dict[str, float]:
    """Return the values of one metric by their labels."""
    found = re.findall(rf"^{name}(?:\{{(.*)\}})? (\S+)$", metrics, re.MULTILINE)
    return {labels: float(value) for labels, value in found}


def vitals_of(world: World, *gauges: Gauges) -> WorkerVitals:
    rights = LoginRights(("botkeys_catalogue", "botkeys_purge"), strict=False)
    database = world.context.database
    return WorkerVitals(database, rights, list(gauges), statement_seconds=STATEMENT)


@pytest_asyncio.fixture
async def vitals(world: World) -> WorkerVitals:
    database = world.context.database
    tasks = [*catalogue_tasks(database, world.context.catalogues), *purge_tasks(database)]
    return vitals_of(world, *(gauges for task in tasks for gauges in task.gauges))


@pytest_asyncio.fixture
async def http(vitals: WorkerVitals) -> AsyncIterator[AsyncClient]:
    async with served(operations_app(vitals)) as http:
        yield http


async def run_once(vitals: WorkerVitals, task: Task) -> None:
    """Run one turn of the task."""
    stop = asyncio.Event()

    async def turn() -> int | None:
        stop.set()
        return await task.turn()

    await work([task._replace(turn=turn)], stop, vitals.watch)


async def units() -> int:
    return 3


async def fails() -> int:
    raise ConnectionResetError


async def test_turns_are_counted_and_failures_with_them(
    vitals: WorkerVitals, http: AsyncClient
) -> None:
    before = time.time()
    for turn in (units, fails, units):
        await run_once(vitals, Task("tidy", 1, turn))
    metrics = (await http.get("/metrics")).text
    label = 'task="tidy"'
    assert values(metrics, "botkeys_worker_turn_seconds_count") == {label: 3}
    assert values(metrics, "botkeys_worker_turn_failures_total") == {label: 1}
    assert values(metrics, "botkeys_worker_units_total") == {label: 6}
    at = values(metrics, "botkeys_worker_last_success_timestamp_seconds")[label]
    assert before <= at <= time.time()


async def test_a_task_whose_last_turn_failed_makes_the_worker_unready(
    vitals: WorkerVitals, http: AsyncClient
) -> None:
    await run_once(vitals, Task("tidy", 1, fails))
    answer = await http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["tasks"] == "the last turn failed: tidy (ConnectionResetError)"
    assert answer.json()["checks"]["grants"] == "ok"


async def test_a_turn_that_does_not_go_on_ends_the_worker_s_life_and_a_long_one_does_not(
    vitals: WorkerVitals, http: AsyncClient
) -> None:
    began, going_on, beaten, stop = (asyncio.Event() for _ in range(4))

    async def purge() -> int:
        began.set()
        await going_on.wait()
        beat()
        beaten.set()
        await stop.wait()
        return 0

    working = asyncio.create_task(work([Task("purge", 1, purge)], stop, vitals.watch))
    await began.wait()
    pulse = vitals.watch.pulses["purge"]
    # As if the last beat had been that long ago.
    pulse.beaten = time.monotonic() - STUCK_SECONDS
    assert (await http.get("/livez")).status_code == 200
    pulse.beaten = time.monotonic() - STUCK_SECONDS - STATEMENT - 1
    answer = await http.get("/livez")
    assert (answer.status_code, answer.json()["stuck"]) == (503, ["purge"])
    going_on.set()
    await beaten.wait()
    assert (await http.get("/livez")).status_code == 200
    stop.set()
    await working


async def test_a_task_that_has_ended_ends_the_worker_s_life(
    vitals: WorkerVitals, http: AsyncClient
) -> None:
    async def breaks() -> int:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup):
        await work([Task("tidy", 1, breaks)], asyncio.Event(), vitals.watch)
    assert (await http.get("/livez")).json() == {"status": "unavailable", "stuck": ["tidy"]}


async def test_ages_of_what_waits_are_read_from_the_database(
    world: World, vitals: WorkerVitals, http: AsyncClient
) -> None:
    place = {"exchange": "nowhere", "environment": "live", "region": ""}
    async with world.context.database.sessions.begin() as session:
        await session.execute(
            insert(Catalogue).values(**place, contract_type="linear", failure="no_answer")
        )
        await session.execute(
            insert(Catalogue).values(
                **place, contract_type="inverse", prices_fetched_at=text("now() - interval '1 h'")
            )
        )
    user = world.user()
    await user.add_key()
    deletion = await user.post("/v1/data-deletions", {"scope": "all"})
    assert deletion.status_code == 202

    metrics = (await http.get("/metrics")).text

    of_it = 'exchange="nowhere",environment="live"'
    assert values(metrics, "botkeys_catalogues_unfetched")[_sorted(of_it)] == 1
    assert values(metrics, "botkeys_catalogues_failing")[_sorted(of_it)] == 1
    age = values(metrics, "botkeys_catalogue_age_seconds")
    assert 3600 <= age[_sorted(f'{of_it},data="prices"')] < 3700
    pending = values(metrics, "botkeys_operations_pending")
    assert pending['kind="delete_data"'] == 1
    assert pending['kind="import_trades"'] == 0
    assert values(metrics, "botkeys_operations_oldest_age_seconds")['kind="import_trades"'] == 0
    assert "" in values(metrics, "botkeys_rollups_oldest_age_seconds")
    assert values(metrics, "botkeys_database_connections_limit")[""] >= 1


def _sorted(labels: str) -> str:
    return ",".join(sorted(labels.split(",")))


async def test_a_gauge_that_cannot_be_read_is_left_out_and_reading_is_bounded(
    world: World,
) -> None:
    calls = 0

    async def broken(session: AsyncSession) -> list[Sample]:
        nonlocal calls
        calls += 1
        async with session.begin_nested():
            await session.execute(text("SELECT nothing"))
        return []

    async def read(_session: AsyncSession) -> list[Sample]:
        return [Sample("botkeys_waiting", 2, ("a",))]

    vitals = vitals_of(
        world,
        Gauges((Family("botkeys_broken", "Broken"),), broken),
        Gauges((Family("botkeys_waiting", "Waiting", ("what",)),), read),
    )
    async with served(operations_app(vitals)) as http:
        answers = await asyncio.gather(*(http.get("/metrics") for _ in range(10)))
    assert {answer.status_code for answer in answers} == {200}
    assert "botkeys_broken" not in answers[0].text
    assert values(answers[0].text, "botkeys_waiting") == {'what="a"': 2}
    assert calls == 1


async def test_those_who_wait_for_a_connection_are_counted(busy_world: World) -> None:
    database = busy_world.context.database
    vitals = vitals_of(busy_world)
    pool = database.engine.sync_engine.pool
    size = int(pool.size() + pool._max_overflow)  # type: ignore[attr-defined]
    async with served(operations_app(vitals)) as http:
        held = [await database.engine.connect() for _ in range(size)]
        waiting = [asyncio.create_task(_connected(database)) for _ in range(3)]
        for _ in range(10):
            await asyncio.sleep(0)
        metrics = (await http.get("/metrics")).text
        for connection in held:
            await connection.close()
        await asyncio.gather(*waiting)
        after = (await http.get("/metrics")).text
    assert values(metrics, "botkeys_database_waiting") == {"": 3}
    assert values(metrics, "botkeys_database_connections")['state="in_use"'] == size
    assert values(after, "botkeys_database_waiting") == {"": 0}
    assert values(after, "botkeys_database_connections")['state="in_use"'] == 0


async def _connected(database: Database) -> None:
    async with database.engine.connect():
        pass


async def test_each_unit_of_work_is_logged_and_what_was_not_due_is_not(
    world: World, vitals: WorkerVitals
) -> None:
    """R94: without labels, names or ids of what users have."""
    database = world.context.database
    tasks = [*catalogue_tasks(database, world.context.catalogues), *purge_tasks(database)]

    async def lines() -> list[MutableMapping[str, Any]]:
        with capture_logs() as logged:
            for task in tasks:
                await run_once(vitals, task)
        return logged

    user = world.user()
    bot, document, key = await user.ready_bot()
    await bot.post("/v1/runtime/heartbeat")
    name = CatalogueKey("okx", Environment.TESTNET, None, ContractType.LINEAR)
    await world.context.catalogues.refresh(name)
    await lines()
    assert await lines() == []

    await fill(database, bot.account_id, key["id"], tables=("trades",))
    async with database.sessions.begin() as session:
        await session.execute(text("UPDATE presence SET lease_until = now() - interval '1 min'"))
        await session.execute(text("UPDATE catalogues SET attempted_at = now() - interval '1 h'"))
        await session.execute(text("UPDATE keys SET expires_at = now() + interval '1 h'"))
    await user.post("/v1/data-deletions", {"scope": "all"})
    logged = await lines()

    turns = {line["task"]: line["units"] for line in logged if line["event"] == "worker_turn"}
    assert turns.keys() >= {"refresh", "presence", "expiry", "purge"}
    assert (turns["presence"], turns["expiry"], turns["purge"]) == (1, 1, 1)
    refreshed = next(line for line in logged if line["event"] == "catalogue_refreshed")
    assert (refreshed["exchange"], refreshed["environment"]) == ("okx", "testnet")
    assert refreshed["prices"] > 0
    batch = next(line for line in logged if line["event"] == "purge_batch")
    assert (batch["data"], batch["rows"]) == ("trades", 3)
    written = repr(logged)
    for mine in (key["label"], key["id"], document["id"], str(bot.account_id)):
        assert mine not in written

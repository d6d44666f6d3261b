"""The database is lost at every step of a request: the answer says what became of the change."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import func, select, update

from app.api.health import FRESH
from app.db.engine import open_database
from app.db.models import Bot as BotRow
from app.db.models import IdempotencyRecord, Position, Presence, Release, Trade
from app.db.outcome import Outcomes
from tests.support.database import Server, execute
from tests.support.fragile import Break, FragileLine, fragile_line
from tests.support.variants import changed
from tests.support.world import Bot, User, World

MOST_STEPS = 60
Rows = list[tuple[Any, ...]]


@dataclass(slots=True)
class Stage:
    """A service whose line to the database breaks, and what looks at the database beside it."""

    line: FragileLine
    world: World
    beside: World
    user: User
    bot: Bot
    bot_id: str

    async def rows(self, *columns: Any) -> Rows:
        """Return what is stored, in a stable order."""
        async with self.beside.context.database.sessions() as session:
            found = (await session.execute(select(*columns))).all()
        return sorted((tuple(row) for row in found), key=str)


@asynccontextmanager
async def staged(world: World, server: Server, *, patience: float = 20) -> AsyncIterator[Stage]:
    user = world.user()
    _, assigned, _ = await user.ready_bot()
    bot = await user.mint(assigned["id"])
    name = world.context.database.engine.url.database
    assert name is not None
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        async with fragile_line(server.url(name), Path(folder)) as line:
            database = open_database(
                line.url, application_name="botkeys-fragile", pool_size=2, pool_timeout=30
            )
            outcomes = Outcomes(database.autocommit, patience)
            database = replace(database, outcomes=outcomes)
            try:
                async with changed(world, database=database) as fragile:
                    there = Bot(fragile.http, bot.token)
                    yield Stage(line, fragile, world, fragile.user(), there, str(assigned["id"]))
            finally:
                line.repair()
                await database.close()


@dataclass(frozen=True, slots=True)
class Request:
    """A request, and what of the database shows whether it was carried out."""

    name: str
    send: Callable[[Stage], Awaitable[httpx.Response]]
    shows: tuple[Any, ...] = ()

    def __str__(self) -> str:
        return self.name


async def _add_bot(stage: Stage) -> httpx.Response:
    return await stage.user.post("/v1/bots", {"name": uuid4().hex})


async def _add_bot_once(stage: Stage) -> httpx.Response:
    headers = {"Idempotency-Key": uuid4().hex}
    return await stage.user.post("/v1/bots", {"name": uuid4().hex}, headers=headers)


async def _report(stage: Stage) -> httpx.Response:
    report = {"symbol": "BTC-USDT-SWAP", "side": "long", "status": "open", "quantity": "1"}
    return await stage.bot.put(f"/v1/runtime/positions/{uuid4().hex}", report)


async def _release(stage: Stage) -> httpx.Response:
    body = {"suite": "x25519", "public_key": "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"}
    return await stage.bot.post("/v1/runtime/credentials", body)


async def _ingest(stage: Stage) -> httpx.Response:
    now = datetime.now(UTC).isoformat()
    trade = {
        "id": uuid4().hex,
        "symbol": "BTC-USDT-SWAP",
        "side": "long",
        "quantity": "1",
        "entry_price": "1",
        "exit_price": "2",
        "opened_at": now,
        "closed_at": now,
    }
    return await stage.bot.post("/v1/runtime/trades", {"items": [trade]})


async def _beat(stage: Stage) -> httpx.Response:
    return await stage.bot.post("/v1/runtime/heartbeat")


async def _beat_with_report(stage: Stage) -> httpx.Response:
    look = {"version": 1, "status": "ok", "checked_at": datetime.now(UTC).isoformat()}
    return await stage.bot.post("/v1/runtime/heartbeat", {"credentials": look})


def _reads(path: str, *, by_bot: bool = False) -> Request:
    async def send(stage: Stage) -> httpx.Response:
        return await (stage.bot if by_bot else stage.user).get(path)

    return Request(path, send)


async def _readiness(stage: Stage) -> httpx.Response:
    await asyncio.sleep(FRESH)  # a result is returned again for so long
    return await stage.user.get("/readyz")


REQUESTS = (
    Request("add a bot", _add_bot, (BotRow.id,)),
    Request("add a bot once", _add_bot_once, (BotRow.id,)),
    Request("report a position", _report, (Position.id,)),
    Request("release", _release, (Release.id,)),
    Request("ingest", _ingest, (Trade.id,)),
    Request("beat", _beat, (Presence.last_heartbeat_at,)),
    Request("beat with a report", _beat_with_report, ()),
    _reads("/v1/keys"),
    _reads("/v1/bots"),
    _reads("/v1/trades?environment=testnet"),
    _reads("/v1/runtime/config", by_bot=True),
    Request("/readyz", _readiness),
)
SOME = [request for request in REQUESTS if request.name in ("add a bot once", "beat", "/v1/keys")]


def is_success(answer: httpx.Response) -> bool:
    return answer.status_code < 300


def is_outage(answer: httpx.Response) -> bool:
    """Return whether it is an answer of a service that has lost its database."""
    if answer.status_code != 503:
        return False
    return "checks" in answer.json() or answer.json()["code"] in ("unavailable", "outcome_unknown")


@pytest.mark.parametrize(
    ("how", "requests"),
    [
        (Break.AFTER, SOME),
        *(pytest.param(how, REQUESTS, marks=pytest.mark.torture) for how in Break),
    ],
    ids=lambda value: str(value) if isinstance(value, Break) else str(len(value)),
)
async def test_a_line_that_breaks_at_any_step_is_answered_with_the_truth(
    busy_world: World, server: Server, how: Break, requests: Sequence[Request]
) -> None:
    """R37: with a database that can be asked, no outcome stays unknown."""
    broken = 0
    async with staged(busy_world, server) as stage:
        for request in requests:
            for step in range(1, MOST_STEPS):
                before = await stage.rows(*request.shows) if request.shows else []
                stage.line.arm(how, step)
                answer = await request.send(stage)
                fired = stage.line.fired
                stage.line.repair()
                after = await stage.rows(*request.shows) if request.shows else []
                words = f"{request} at step {step}: {answer.status_code} {answer.text}"
                assert is_success(answer) or is_outage(answer), words
                if request.shows:
                    assert is_success(answer) == (before != after), words
                if not fired:
                    assert is_success(answer), words
                    break
                broken += 1
            else:
                pytest.fail(f"{request} takes more than {MOST_STEPS} steps")
    assert broken >= 3 * len(requests)


COMMIT = b"COMMIT;"
AT_ONCE = b"key.release"
"""Among the values of the statement that records a release, which commits by itself."""
WRITES = [request for request in REQUESTS if request.shows and request.name != "beat"]


@pytest.mark.parametrize("how", [Break.BEFORE, Break.AFTER])
async def test_a_commit_that_cannot_be_looked_up_has_an_unknown_outcome(
    busy_world: World, server: Server, how: Break
) -> None:
    """R37."""
    async with staged(busy_world, server, patience=0.2) as stage:
        for request in WRITES:
            before = await stage.rows(*request.shows)
            # The first commit of a request with a key takes the key and nothing else.
            number = 2 if request.name == "add a bot once" else 1
            commit = AT_ONCE if request.name == "release" else COMMIT
            stage.line.arm(how, number, containing=commit, stays_down=True)
            answer = await request.send(stage)
            assert stage.line.fired, request
            stage.line.repair()
            after = await stage.rows(*request.shows)
            assert (answer.status_code, answer.json()["code"]) == (503, "outcome_unknown"), request
            assert int(answer.headers["Retry-After"]) == answer.json()["retry_after"]
            assert (before != after) == (how is Break.AFTER), request


@pytest.mark.parametrize("how", [Break.BEFORE, Break.AFTER])
async def test_a_change_of_unknown_outcome_is_repeated_with_its_key_and_made_once(
    busy_world: World, server: Server, how: Break
) -> None:
    """R37."""
    headers, body = {"Idempotency-Key": uuid4().hex}, {"name": uuid4().hex}
    async with staged(busy_world, server, patience=0.2) as stage:
        stage.line.arm(how, 2, containing=COMMIT, stays_down=True)
        unknown = await stage.user.post("/v1/bots", body, headers=headers)
        stage.line.repair()
        await _let_claims_lapse(stage)
        repeated = await stage.user.post("/v1/bots", body, headers=headers)
        listed = (await stage.user.get("/v1/bots")).json()["items"]

    assert unknown.json()["code"] == "outcome_unknown"
    assert repeated.status_code == 201
    assert ("idempotency-replayed" in repeated.headers) == (how is Break.AFTER)
    assert [bot["id"] for bot in listed if bot["name"] == body["name"]] == [repeated.json()["id"]]


async def _let_claims_lapse(stage: Stage) -> None:
    past = func.statement_timestamp() - timedelta(seconds=1)
    async with stage.beside.context.database.sessions.begin() as session:
        await session.execute(update(IdempotencyRecord).values(claimed_until=past))


async def test_a_heartbeat_that_was_lost_twice_may_be_stored(
    busy_world: World, server: Server
) -> None:
    """R37."""
    async with staged(busy_world, server) as stage:
        stage.line.arm(Break.AFTER, 1, containing=b"WITH locked", stays_down=True)
        lost = await _beat(stage)
        stage.line.repair()
        again = await _beat(stage)

    assert (lost.status_code, lost.json()["code"]) == (503, "outcome_unknown")
    assert again.status_code == 200


async def test_what_was_committed_before_the_outage_is_not_denied(
    busy_world: World, server: Server
) -> None:
    """R37: a reported health is stored even if the heartbeat with it is not."""
    async with staged(busy_world, server) as stage:
        stage.line.arm(Break.BEFORE, 1, containing=b"WITH locked", stays_down=True)
        lost = await _beat_with_report(stage)
        stage.line.repair()

    assert (lost.status_code, lost.json()["code"]) == (503, "outcome_unknown")


async def test_a_server_that_takes_no_writes_for_a_while_is_an_outage_of_writes(
    busy_world: World, server: Server
) -> None:
    async with staged(busy_world, server) as stage:
        name = busy_world.context.database.engine.url.database
        await execute(
            server.superuser, f"ALTER DATABASE {name} SET default_transaction_read_only = on"
        )
        await stage.world.context.database.engine.dispose()
        during = [await request.send(stage) for request in REQUESTS]
        await execute(
            server.superuser, f"ALTER DATABASE {name} RESET default_transaction_read_only"
        )
        first = await _add_bot(stage)
        after = [await request.send(stage) for request in REQUESTS]

    for request, answer in zip(REQUESTS, during, strict=True):
        assert is_outage(answer) or (not request.shows and is_success(answer)), answer.text
    assert all(is_outage(answer) for answer in during[:6])
    assert is_success(first) or is_outage(first)
    assert all(map(is_success, after)), [answer.text for answer in after]

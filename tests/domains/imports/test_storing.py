"""The storing of an import: workers that die, cancellations, deletions in between (R58, R59)."""

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.worker.importing import ImportLimits, store_imported
from tests.support.imports import NDJSON, at, bring, exported, refused, send, store, trades
from tests.support.world import Json, User, World

ROWS = 7
ONE_BY_ONE = ImportLimits(batch=2, clearing=3, turn=0)


class Died(OSError):
    """The death of a worker."""


class Dying:
    """Sessions of a worker that dies at its transaction number `last`, before or after COMMIT."""

    def __init__(self, world: World, last: int, *, after: bool) -> None:
        self._sessions = world.context.database.sessions
        self._left = last
        self._after = after

    @asynccontextmanager
    async def begin(self) -> Any:
        self._left -= 1
        if not self._left and not self._after:
            raise Died
        async with self._sessions.begin() as session:
            yield session
        if not self._left:
            raise Died


async def die(world: World, last: int, *, after: bool = False) -> bool:
    """Let a worker die, and its claim lapse; return whether it lived long enough to die."""
    dying: Any = Dying(world, last, after=after)
    try:
        await store_imported(dying, ONE_BY_ONE)
    except Died:
        await lapse(world)
        return True
    return False


async def lapse(world: World) -> None:
    async with world.context.database.sessions.begin() as session:
        await session.execute(
            text(
                "UPDATE operations SET claimed_until = now() - interval '1 s'"
                " WHERE claim IS NOT NULL"
            )
        )


async def staged(world: World) -> int:
    async with world.context.database.sessions() as session:
        return int(await session.scalar(text("SELECT count(*) FROM import_rows")) or 0)


def file_of(key: Json, rows: int = ROWS) -> bytes:
    return json.dumps([exported(f"t{number}", key) for number in range(rows)]).encode()


async def begun(world: World, rows: int = ROWS, **query: Any) -> tuple[User, Json, str]:
    """Send a file; return the user, the key and the operation's address."""
    user = world.user()
    key = await user.add_key()
    answer = await send(user, file_of(key, rows), key_id=key["id"], **query)
    assert answer.status_code == 202, answer.text
    return user, key, str(answer.headers["location"])


async def stale(world: World) -> int:
    async with world.context.database.sessions() as session:
        return int(await session.scalar(text("SELECT count(*) FROM stale_days")) or 0)


async def test_the_days_of_a_history_are_added_up_when_its_import_ends(world: World) -> None:
    """Otherwise summaries add up all of its trades one by one, until each day has had its turn."""
    user = world.user()
    key = await user.add_key()
    days = [f"2026-{1 + number // 28:02}-{1 + number % 28:02}" for number in range(20)]
    file = json.dumps(
        [
            exported(f"t{day}", key, opened_at=f"{day}T01:00:00Z", closed_at=f"{day}T02:00:00Z")
            for day in reversed(days)
        ]
    ).encode()
    sent = await send(user, file, key_id=key["id"])
    assert await store_imported(world.context.database.sessions, ONE_BY_ONE) == 1
    assert (await user.get(sent.headers["location"])).json()["status"] == "succeeded"
    assert await stale(world) == 0
    figures = (await user.get("/v1/analytics/summary?environment=testnet")).json()["items"]
    assert [(item["trades"], item["realised_pnl"]) for item in figures] == [(20, "9975")]


async def test_a_history_is_stored_in_the_order_of_time(world: World) -> None:
    """So each day changes in few batches, and is not added up again and again."""
    user = world.user()
    key = await user.add_key()
    hours = range(ROWS)
    file = json.dumps(
        [
            exported(f"t{ROWS - hour}", key, closed_at=f"2026-11-20T{11 + hour}:00:00Z")
            for hour in (3, 0, 6, 2, 5, 1, 4)
        ]
    ).encode()
    await send(user, file, key_id=key["id"])
    for stored in (2, 4, 6):
        assert await die(world, 3, after=True)
        found = sorted(row["closed_at"] for row in await trades(user))
        assert found == [f"2026-11-20T{11 + hour}:00:00Z" for hour in hours[:stored]]


async def test_an_import_that_began_in_another_order_goes_on_in_it(world: World) -> None:
    """The release before stored rows in the order of their ids."""
    user, _, place = await begun(world)
    assert await die(world, 3, after=True)
    async with world.context.database.sessions.begin() as session:
        await session.execute(
            text(
                "UPDATE operations SET scope = jsonb_set(scope, '{marks}', jsonb_set("
                "'{}', '{after}', (scope->'marks'->'reached') - 0))"
            )
        )
    assert await store(world) == 1
    counts = (await user.get(place)).json()["receipt"]["imported"]
    assert (counts["stored"], counts["duplicate"]) == (ROWS, 0)
    assert len(await trades(user)) == ROWS


async def test_a_refused_file_says_that_nothing_of_it_is_stored(world: World) -> None:
    """Rule R59."""
    user = world.user()
    key = await user.add_key()
    rows = [exported("sound", key), exported("bad", key, quantity="0")]
    operation = await bring(
        world, user, json.dumps(rows).encode(), key_id=key["id"], on_error="abort"
    )
    counts = operation["receipt"]["imported"]
    assert (operation["status"], counts["stored"], counts["sums"]) == ("failed", 0, {})
    assert counts["refused"] == {"invalid_item": 1}
    assert await trades(user) == []


async def test_an_import_waits_for_a_worker_that_adds_up_the_same_account(
    busy_world: World,
) -> None:
    user, _, place = await begun(busy_world)
    sessions = busy_world.context.database.sessions
    async with sessions.begin() as other:
        days = await other.scalar(
            text("SELECT 'trade_days/' || account_id || '/' || environment FROM operations")
        )
        await other.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:place, 0))"), {"place": days}
        )
        storing = asyncio.create_task(store_imported(sessions, ImportLimits(turn=0.5)))
        async with asyncio.timeout(60):
            while not await stale(busy_world):  # noqa: ASYNC110  # no event there
                await asyncio.sleep(0.02)
        done, _ = await asyncio.wait([storing], timeout=1)
        assert not done
        assert await stale(busy_world) > 0
        assert (await user.get(place)).json()["status"] == "running"
    assert await storing == 1
    assert (await user.get(place)).json()["status"] == "succeeded"
    assert await stale(busy_world) == 0


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("on_error", ["report", "abort"])
async def test_a_worker_may_die_anywhere_and_another_goes_on(
    world: World, on_error: str, *, after: bool
) -> None:
    user, _, place = await begun(world, on_error=on_error)
    deaths = 0
    while await die(world, 2 + deaths % 6, after=after):
        deaths += 1
        assert deaths < 60, "no progress"
    assert deaths > ROWS // ONE_BY_ONE.batch
    operation = (await user.get(place)).json()
    counts = operation["receipt"]["imported"]
    assert (operation["status"], operation["done"], operation["total"]) == ("succeeded", ROWS, ROWS)
    assert (counts["stored"], counts["duplicate"]) == (ROWS, 0)
    assert len(await trades(user)) == ROWS
    assert await staged(world) == 0


async def test_a_cancelled_import_leaves_what_was_there_before(world: World) -> None:
    user = world.user()
    key = await user.add_key()
    await bring(world, user, json.dumps([exported("t3", key)]).encode(), key_id=key["id"])
    before = await trades(user)
    sent = await send(user, file_of(key), key_id=key["id"])
    place = sent.headers["location"]
    assert await die(world, 3, after=True)
    assert len(await trades(user)) > len(before)

    answer = await user.post(f"{place}/cancel")
    assert answer.status_code == 200, answer.text
    assert await die(world, 4, after=True)
    assert await store(world) == 1

    operation = (await user.get(place)).json()
    assert operation["status"] == "cancelled"
    assert operation["receipt"]["imported"]["stored"] == 0
    assert await trades(user) == before
    assert await staged(world) == 0
    again = (await user.post(f"{place}/cancel")).json()
    assert again["status"] == "cancelled"


async def test_a_cancelled_import_removes_its_payments(world: World) -> None:
    user = world.user()
    key = await user.add_key(exchange="binance")
    rows = [
        {
            "symbol": "BTCUSDT",
            "incomeType": "FUNDING_FEE",
            "income": "-0.5",
            "asset": "USDT",
            "time": at(number),
            "tranId": number,
        }
        for number in range(ROWS)
    ]
    query = {"key_id": key["id"], "format": "binance_income"}
    sent = await send(user, json.dumps(rows).encode(), **query)
    place = sent.headers["location"]

    async def payments() -> int:
        return len((await user.get("/v1/funding?environment=testnet")).json()["items"])

    assert await die(world, 3, after=True)
    assert await payments() > 0
    assert (await user.post(f"{place}/cancel")).status_code == 200
    assert await die(world, 4, after=True)
    assert await store(world) == 1

    assert (await user.get(place)).json()["status"] == "cancelled"
    assert (await payments(), await staged(world)) == (0, 0)


async def test_what_is_deleted_before_it_is_stored_stays_deleted(world: World) -> None:
    user, _, place = await begun(world)
    answer = await user.post("/v1/data-deletions", {"scope": "all"})
    assert answer.status_code == 202
    assert await store(world) == 1
    operation = (await user.get(place)).json()
    assert operation["receipt"]["imported"]["refused"] == {"data_deleted": ROWS}
    assert [row["code"] for row in await refused(user, operation)] == ["data_deleted"] * ROWS
    assert await world.purge() == 1
    assert await trades(user) == []


async def test_of_a_key_that_goes_with_its_data_nothing_is_stored(world: World) -> None:
    user, key, place = await begun(world)
    assert await die(world, 3, after=True)
    answer = await user.delete(f"/v1/keys/{key['id']}?associated_data=delete")
    assert answer.status_code == 202, answer.text
    assert await world.purge() == 1
    assert await store(world) == 1
    operation = (await user.get(place)).json()
    assert operation["status"] in {"succeeded", "failed"}
    assert await trades(user) == []
    async with world.context.database.sessions() as session:
        assert await session.scalar(text("SELECT count(*) FROM trades")) == 0


async def test_a_closed_account_gets_nothing(world: World) -> None:
    user, _, _ = await begun(world)
    assert await die(world, 3, after=True)
    closed = await user.delete("/v1/account")
    assert closed.status_code == 202, closed.text
    assert await store(world) == 0
    assert await world.purge() == 1
    assert await staged(world) == 0
    async with world.context.database.sessions() as session:
        assert await session.scalar(text("SELECT count(*) FROM trades")) == 0


async def test_deletions_and_an_import_at_once_end_with_no_row_too_many(busy_world: World) -> None:
    world = busy_world
    user, key, _ = await begun(world, 200)

    async def delete() -> None:
        answer = await user.post("/v1/data-deletions", {"scope": "keys", "key_ids": [key["id"]]})
        assert answer.status_code == 202, answer.text

    small = ImportLimits(batch=10)
    await asyncio.gather(store(world, small), store(world, small), delete())
    await world.purge()
    assert await trades(user) == []
    async with world.context.database.sessions() as session:
        assert await session.scalar(text("SELECT count(*) FROM trades")) == 0


async def test_of_two_files_at_once_one_is_refused(busy_world: World) -> None:
    world = busy_world
    user = world.user()
    key = await user.add_key()
    answers = await asyncio.gather(*(send(user, file_of(key), key_id=key["id"]) for _ in range(3)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses[0] == 202
    assert set(statuses[1:]) <= {409, 429}
    assert await store(world) == 1
    assert len(await trades(user)) == ROWS


async def test_an_upload_that_is_cut_off_stores_nothing(busy_world: World) -> None:
    world = busy_world
    user = world.user()
    key = await user.add_key()

    async def body() -> Any:
        for number in range(1500):
            yield json.dumps(exported(f"t{number}", key)).encode() + b"\n"
        raise ConnectionResetError

    with suppress(ConnectionResetError):
        answer = await send(user, body(), NDJSON, key_id=key["id"])
        assert not answer.is_success
    await lapse(world)
    assert await store(world) == 1
    (operation,) = (await user.get("/v1/operations")).json()["items"]
    assert (operation["status"], operation["kind"]) == ("failed", "import_trades")
    assert operation["error"]
    assert await trades(user) == []
    assert await staged(world) == 0


class Counting:
    """Sessions of a worker that count what its statements read of the indexes of trades."""

    def __init__(self, world: World) -> None:
        self._sessions = world.context.database.sessions
        self.read: dict[str, int] = {}

    @asynccontextmanager
    async def begin(self) -> Any:
        async with self._sessions.begin() as session:
            before = await self._counts(session)
            yield session
            for index, count in (await self._counts(session)).items():
                self.read[index] = self.read.get(index, 0) + count - before[index]

    async def _counts(self, session: AsyncSession) -> dict[str, int]:
        query = text(
            "SELECT indexrelid::regclass::text, pg_stat_get_xact_tuples_returned(indexrelid)"
            " FROM pg_index WHERE indrelid = 'trades'::regclass"
        )
        return {index: int(count) for index, count in await session.execute(query)}


@pytest.mark.parametrize("on_error", ["report", "abort"])
async def test_each_stored_row_is_looked_up_alone(world: World, on_error: str) -> None:
    rows = 300
    user, key, _ = await begun(world, rows, on_error=on_error)
    counting: Any = Counting(world)
    limits = ImportLimits(batch=100)
    assert await store_imported(counting, limits) == 1
    answer = await send(user, file_of(key, rows), key_id=key["id"], on_error=on_error)
    assert await store_imported(counting, limits) == 1
    cancelled = await send(user, file_of(key, 2 * rows), key_id=key["id"])
    await user.post(f"{cancelled.headers['location']}/cancel")
    assert await store_imported(counting, limits) == 1

    operation = (await user.get(answer.headers["location"])).json()
    assert operation["receipt"]["imported"]["duplicate"] == rows
    assert len(counting.read) > 1
    # Seven or nine entries a row, as dead ones are still there; a row that is not looked up
    # alone reads its whole batch, a hundred.
    assert sum(counting.read.values()) <= 16 * rows, counting.read

"""Concurrent batches, deletions and changes of their bot; repeated batches."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import Select, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import new_id
from app.db.models import Account, Bot, DeletionMark
from app.domains.ingest.repository import IngestRepository
from tests.support.batches import KINDS, item, mark, report, rows, statuses
from tests.support.positions import Trader, trader
from tests.support.waiting import until_waiting
from tests.support.world import Json, World

Write = Callable[[AsyncSession], Awaitable[Any]]


async def waits(world: World, hold: Write, waiting: Coroutine[Any, Any, Any]) -> Any:
    """Return the result of what had to wait until what `hold` locked was committed."""
    sessions = world.context.database.sessions
    async with asyncio.timeout(60), sessions() as holding:
        await hold(holding)
        task = asyncio.ensure_future(waiting)
        await until_waiting(world.context.database, task=task)
        await holding.commit()
        return await task


def account_of(trading: Trader) -> Select[UUID]:
    return select(Account.account_id).where(Account.account_id == trading.bot.account_id)


def bots_of(trading: Trader) -> Select[UUID]:
    return select(Bot.id).where(Bot.account_id == trading.bot.account_id)


def batch(trading: Trader, kind: str = "trades") -> Coroutine[Any, Any, httpx.Response]:
    return trading.bot.post(f"/v1/runtime/{kind}", {"items": [item(kind, "1")]})


@pytest.mark.parametrize("seed", range(2))
async def test_of_batches_that_cross_each_item_is_stored_once(busy_world: World, seed: int) -> None:
    trading = await trader(busy_world)
    chance = random.Random(seed)  # noqa: S311  # interleavings, not secrets
    for kind in KINDS:
        names = [f"{kind}-{number}" for number in range(40)]
        batches = [chance.choices(names, k=25) for _ in range(8)]

        answers = await asyncio.gather(
            *(report(trading.bot, kind, *(item(kind, name) for name in one)) for one in batches)
        )

        verdicts = Counter((verdict["id"], verdict["status"]) for one in answers for verdict in one)
        sent = {name for one in batches for name in one}
        assert {name: verdicts[name, "stored"] for name in sent} == dict.fromkeys(sent, 1)
        assert {status for _, status in verdicts} == {"stored", "duplicate"}
        assert set(await rows(busy_world, kind)) == sent


async def test_a_batch_waits_for_a_deletion_and_then_heeds_its_mark(busy_world: World) -> None:
    """Rule R25."""
    trading = await trader(busy_world)

    async def delete_everything(session: AsyncSession) -> None:
        await session.execute(account_of(trading).with_for_update(key_share=True))
        await session.execute(
            insert(DeletionMark).values(
                account_id=trading.bot.account_id, id=new_id(), cutoff=func.statement_timestamp()
            )
        )

    answer = await waits(busy_world, delete_everything, batch(trading))

    assert statuses(answer.json()["results"]) == ["data_deleted"]
    assert await rows(busy_world, "trades") == {}


async def test_a_deletion_waits_for_a_batch_that_is_being_stored(busy_world: World) -> None:
    trading = await trader(busy_world)
    bot = trading.bot

    async def ingest(session: AsyncSession) -> None:
        assert await IngestRepository(
            session=session, account_id=bot.account_id, bot_id=bot.id
        ).lock()

    async def delete() -> str:
        async with busy_world.context.database.sessions.begin() as session:
            await session.execute(account_of(trading).with_for_update(key_share=True))
        return "after it"

    assert await waits(busy_world, ingest, delete()) == "after it"


async def test_a_token_that_dies_while_a_batch_waits_reports_nothing(busy_world: World) -> None:
    trading = await trader(busy_world)
    new_hash = text("UPDATE bot_tokens SET token_hash = sha256('another')")

    async def mint(session: AsyncSession) -> None:
        await session.execute(bots_of(trading).with_for_update())
        await session.execute(new_hash)

    answer = await waits(busy_world, mint, batch(trading, "signals"))

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert await rows(busy_world, "signals") == {}


async def test_a_key_that_is_taken_away_while_a_batch_waits_is_not_the_present_one(
    busy_world: World,
) -> None:
    trading = await trader(busy_world)

    async def unassign(session: AsyncSession) -> None:
        await session.execute(bots_of(trading).with_for_update())
        await session.execute(text("UPDATE bots SET key_id = NULL"))

    answer = await waits(busy_world, unassign, batch(trading, "events"))

    assert (answer.status_code, answer.json()["code"]) == (409, "no_key")


async def test_a_batch_whose_connection_breaks_can_be_sent_again(busy_world: World) -> None:
    trading = await trader(busy_world)
    sessions = busy_world.context.database.sessions
    async with asyncio.timeout(60), sessions() as holding:
        await holding.execute(account_of(trading).with_for_update())
        broken = asyncio.ensure_future(batch(trading))
        await until_waiting(busy_world.context.database, task=broken)
        broken.cancel()
        await asyncio.wait([broken])

    first = await report(trading.bot, "trades", item("trades", "1"))
    again = await report(trading.bot, "trades", item("trades", "1"))

    # The interrupted batch may or may not be stored: the bot learns which, and it is stored once.
    assert statuses(first) in (["stored"], ["duplicate"])
    assert statuses(again) == ["duplicate"]
    assert set(await rows(busy_world, "trades")) == {"1"}


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_is_sent_again_changes_nothing(world: World, seed: int) -> None:
    trading = await trader(world)
    chance = random.Random(seed)  # noqa: S311  # batches, not secrets
    known: dict[tuple[str, str], Json] = {}
    for _ in range(20):
        kind = chance.choice(KINDS)
        sent = [item(kind, f"{chance.randrange(15)}") for _ in range(chance.randrange(12))]
        expected = []
        for one in sent:
            key = kind, one["id"]
            expected.append("duplicate" if key in known else "stored")
            known[key] = one
        assert statuses(await report(trading.bot, kind, *sent)) == expected
    for kind in KINDS:
        assert set(await rows(world, kind)) == {name for of, name in known if of == kind}


@pytest.mark.parametrize("agreed", [True, False])
async def test_of_completions_at_once_one_is_first(busy_world: World, agreed: bool) -> None:
    """Rule R57."""
    trading = await trader(busy_world)
    names = [f"t{number}" for number in range(20)]
    bare = [item("trades", name, symbol="GONE") for name in names]
    await report(trading.bot, "trades", *bare)
    sizes = ["3"] * 6 if agreed else [str(number + 1) for number in range(6)]

    def whole(size: str) -> list[Json]:
        contract = {"contract_type": "linear", "contract_size": size, "settle": "USDT"}
        order = bare if int(size) % 2 else bare[::-1]
        return [sent | contract for sent in order]

    answers = await asyncio.gather(*(report(trading.bot, "trades", *whole(size)) for size in sizes))

    verdicts = Counter((verdict["id"], verdict["status"]) for one in answers for verdict in one)
    other = "duplicate" if agreed else "refused"
    assert {name: verdicts[name, "completed"] for name in names} == dict.fromkeys(names, 1)
    assert {name: verdicts[name, other] for name in names} == dict.fromkeys(names, 5)
    stored = await rows(busy_world, "trades")
    winners = {
        verdict["id"]: size
        for size, one in zip(sizes, answers, strict=True)
        for verdict in one
        if verdict["status"] == "completed"
    }
    for name in names:
        size = Decimal(winners[name])
        assert (stored[name]["contract_size"], stored[name]["pnl"]) == (size, size * 2001)


async def test_a_completion_waits_for_a_deletion_and_changes_nothing_deleted(
    busy_world: World,
) -> None:
    """Rules R25 and R57."""
    trading = await trader(busy_world)
    bare = item("trades", "1", symbol="GONE")
    whole = bare | {"contract_type": "linear", "contract_size": "1", "settle": "USDT"}
    await report(trading.bot, "trades", bare)

    async def delete_everything(session: AsyncSession) -> None:
        await session.execute(account_of(trading).with_for_update(key_share=True))
        await session.execute(
            insert(DeletionMark).values(
                account_id=trading.bot.account_id, id=new_id(), cutoff=func.statement_timestamp()
            )
        )

    sent = trading.bot.post("/v1/runtime/trades", {"items": [whole]})
    answer = await waits(busy_world, delete_everything, sent)

    assert statuses(answer.json()["results"]) == ["data_deleted"]
    assert (await rows(busy_world, "trades"))["1"]["pnl"] is None


async def test_a_trade_that_is_deleted_under_its_id_is_not_completed(busy_world: World) -> None:
    """Rules R25 and R57. A later trade under the id of one that is being purged is not it."""
    trading = await trader(busy_world)
    bare = item("trades", "1", symbol="GONE")
    later = item("trades", "1", datetime.now(UTC), symbol="GONE")
    await report(trading.bot, "trades", bare)
    await mark(busy_world, trading.bot, cutoff=datetime.now(UTC) - timedelta(minutes=30))

    contract = {"contract_type": "linear", "contract_size": "1", "settle": "USDT"}
    results = await report(trading.bot, "trades", bare | contract, later | contract)

    assert statuses(results) == ["data_deleted", "data_deleted"]
    assert (await rows(busy_world, "trades"))["1"]["pnl"] is None

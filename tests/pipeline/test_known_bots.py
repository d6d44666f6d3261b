"""Bots that called before: their tokens are not taken apart again, and die as soon as ever."""

from typing import Any
from uuid import UUID

import pytest

from app.auth.principal import BotPrincipal
from app.domains.bots.token_repository import TokenHashLoader
from app.pipeline.known_bots import KnownBots
from tests.support.limits import request_limits
from tests.support.positions import SYMBOL, trader
from tests.support.variants import changed
from tests.support.world import Bot, World

OPENING = {"revision": 1, "symbol": SYMBOL, "side": "long", "status": "opening", "quantity": "1"}
ORDERS = {"orders": [{"symbol": SYMBOL, "count": 1}]}


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """Provide the bots whose tokens are read by themselves."""
    found: list[UUID] = []
    read = TokenHashLoader.read

    async def noted(self: TokenHashLoader, account_id: UUID, bot_id: UUID) -> bytes | None:
        found.append(bot_id)
        return await read(self, account_id, bot_id)

    monkeypatch.setattr(TokenHashLoader, "read", noted)
    return found


async def replaced(world: World) -> tuple[Bot, Bot]:
    """Return a bot with its former token, which this process knows, and with its present one."""
    one = await trader(world)
    assert (await one.bot.get("/v1/runtime/config")).status_code == 200
    return one.bot, await one.user.mint(str(one.bot.id))


async def test_the_token_of_a_known_bot_is_compared_under_the_locks_alone(
    world: World, reads: list[UUID]
) -> None:
    bot = (await trader(world)).bot
    for _ in range(3):
        assert (await bot.put("/v1/runtime/positions/p1", OPENING)).status_code == 200
    assert (await bot.put("/v1/runtime/orders", ORDERS)).status_code == 200
    assert reads == [bot.id]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/runtime/positions/p1", OPENING),
        ("/v1/runtime/positions/p1", {**OPENING, "quantity": "-1"}),
        ("/v1/runtime/positions/p1", {**OPENING, "status": "open"}),
        ("/v1/runtime/positions/p1", {}),
        ("/v1/runtime/orders", ORDERS),
        ("/v1/runtime/orders", {"orders": 1}),
    ],
)
async def test_a_known_token_that_was_replaced_is_refused_before_anything_else(
    world: World, reads: list[UUID], capfd: pytest.CaptureFixture[str], path: str, body: Any
) -> None:
    former, present = await replaced(world)
    reads.clear()
    for _ in range(2):
        answer = await former.put(path, body)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert (await former.get("/v1/runtime/config")).status_code == 401
    assert reads, "once it was refused it is no longer known"
    assert "token_refused" in capfd.readouterr().out
    assert (await present.get("/v1/runtime/positions")).json()["items"] == []
    assert (await present.put("/v1/runtime/positions/p1", OPENING)).status_code == 200


async def test_nobody_waits_for_the_body_of_a_known_token_that_was_replaced(
    world: World, reads: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a body is on its way, the token is read as that of any other bot."""
    monkeypatch.setattr("app.pipeline.authentication._body_is_here", lambda _: False)
    former, present = await replaced(world)
    reads.clear()
    for bot, status in ((present, 200), (former, 401), (present, 200)):
        assert (await bot.put("/v1/runtime/positions/p1", OPENING)).status_code == status
    assert len(reads) == 3


async def test_a_known_token_that_was_replaced_uses_up_nothing_of_the_bots(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many may be under way at once, all of which are known."""
    monkeypatch.setattr(KnownBots, "forget", lambda *_: None)
    one = await trader(world)
    path = "/v1/runtime/positions/p1"
    async with changed(world, limits=request_limits(bot=10), address="192.0.2.7") as here:
        former = Bot(here.http, one.bot.token)
        assert (await former.put(path, OPENING)).status_code == 200
        present = Bot(here.http, (await one.user.mint(str(one.bot.id))).token)
        refused = [(await former.put(path, OPENING)).status_code for _ in range(11)]
        allowed = [(await present.put(path, OPENING)).status_code for _ in range(11)]
    assert refused == [401] * 9 + [429] * 2
    assert allowed == [200] * 10 + [429]


async def test_a_known_token_that_was_replaced_counts_for_the_address(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KnownBots, "forget", lambda *_: None)
    one, address = await trader(world), "192.0.2.8"
    limits = request_limits(address=2)
    async with changed(world, limits=limits, address=address) as here:
        former = Bot(here.http, one.bot.token)
        assert (await former.get("/v1/runtime/config")).status_code == 200
        await one.user.mint(str(one.bot.id))
        for _ in range(2):
            assert limits.addresses.admit(address, lambda: 1) is None
            answer = await former.put("/v1/runtime/positions/p1", OPENING)
            assert answer.status_code == 401
    assert limits.addresses.admit(address, lambda: 1) is not None


async def test_a_refused_body_of_another_type_does_not_hide_that_the_token_was_replaced(
    world: World,
) -> None:
    former, _ = await replaced(world)
    answer = await former.put(
        "/v1/runtime/positions/p1", OPENING, headers={"Content-Type": "text/plain"}
    )
    assert answer.status_code == 401


async def test_the_token_of_a_known_bot_that_was_deleted_is_refused(world: World) -> None:
    user = world.user()
    document = await user.add_bot()
    bot = await user.mint(document["id"])
    assert (await bot.get("/v1/runtime/config")).status_code == 200
    assert (await user.delete(f"/v1/bots/{document['id']}")).status_code in {200, 202, 204}
    for body in (OPENING, {}):
        assert (await bot.put("/v1/runtime/positions/p1", body)).status_code == 401


async def test_a_known_bot_that_is_refused_for_another_reason_learns_that_reason(
    world: World, reads: list[UUID]
) -> None:
    bot = await world.user().mint((await world.user().add_bot())["id"])
    for _ in range(2):
        answer = await bot.put("/v1/runtime/positions/p1", OPENING)
        assert (answer.status_code, answer.json()["code"]) == (409, "no_key")
        assert (await bot.put("/v1/runtime/positions/p1", {})).status_code == 422
    assert set(reads) == {bot.id}


def test_the_bots_that_called_longest_ago_are_forgotten() -> None:
    known = KnownBots(most=2)
    bots = [BotPrincipal(UUID(int=1), UUID(int=number), bytes([number])) for number in range(3)]
    known.add(bots[0])
    known.add(bots[1])
    assert known.get(b"\0") is bots[0]
    known.add(bots[2])
    assert [known.get(bot.token_hash) for bot in bots] == [bots[0], None, bots[2]]
    known.forget(bots[0])
    known.forget(bots[0])
    assert known.get(b"\0") is None

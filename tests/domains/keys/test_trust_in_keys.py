"""A key that can withdraw, or of which nobody asked, opens no positions: no way leads around it."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.simulator.faults import FaultKind
from botkeys.exchanges.model import Environment
from botkeys.exchanges.registry import EXCHANGES, Exchanges
from botkeys.transport.client import HttpTransport
from tests.support.positions import Trader, trader
from tests.support.variants import apart, changed
from tests.support.world import Bot, Json, World

EVERYWHERE = [
    (exchange, environment)
    for exchange in EXCHANGES
    for environment in EXCHANGES[exchange].environments
]


async def unverified_trader(world: World, variant: str = "trade") -> Trader:
    user = world.user()
    return await trader(world, key=await user.add_key(variant, verify=False))


def credentials(world: World, variant: str) -> Json:
    return dict(world.credentials["okx"]["testnet"][variant])


async def report(bot: Bot, **changes: Any) -> httpx.Response:
    look = {
        "version": 1,
        "status": "ok",
        "checked_at": datetime.now(UTC).isoformat(),
        **changes,
    }
    answer = await bot.post("/v1/runtime/heartbeat", {"credentials": look})
    assert answer.status_code == 200, answer.text
    return answer


async def blocked_by(bot: Bot) -> list[str]:
    """Return the reasons, which config and heartbeat agree about."""
    config = (await bot.get("/v1/runtime/config")).json()
    beat = (await bot.post("/v1/runtime/heartbeat")).json()
    assert config["may_open_positions"] is beat["may_open_positions"] is (not config["blocked_by"])
    reasons: list[str] = config["blocked_by"]
    return reasons


@pytest.mark.parametrize("reason", ["unverified", "withdrawal_permission"])
async def test_new_positions_are_blocked_and_exits_and_facts_go_on(
    world: World, reason: str
) -> None:
    """Rule R38."""
    trading = await trader(world)
    await trading.report("opening", "before")
    await trading.report("open", "before")
    await trading.report("opening", "reserved")
    if reason == "unverified":
        path = f"/v1/keys/{trading.key['id']}/credentials"
        same = {**credentials(world, "trade"), "verify": False}
        assert (await trading.user.put(path, same)).status_code == 200
    else:
        await report(trading.bot, permissions={"withdraw": "yes"})

    problem = await trading.refused("opening", "new")
    again = await trading.refused("opening", "reserved")
    fact = await trading.report("open", "fact")
    closed = await trading.report("closed", "before")

    assert (problem["status"], problem["code"]) == (409, reason)
    assert problem["blocked_by"] == again["blocked_by"] == [reason]
    assert (fact["status"], closed["status"]) == ("open", "closed")
    kind, level, data = (await trading.events())[-1]
    assert (kind, level, data["blocked_by"]) == ("position_unexpected", "warning", [reason])
    assert await blocked_by(trading.bot) == [reason]


@pytest.mark.parametrize(("exchange", "environment"), EVERYWHERE)
async def test_a_key_that_was_not_checked_blocks_where_the_exchange_would_have_answered(
    world: World, exchange: str, environment: Environment
) -> None:
    """Rule R38."""
    user = world.user()
    bot, _, key = await user.ready_bot(exchange=exchange, environment=environment, verify=False)

    tells = world.context.exchanges.adapter(exchange).tells_withdrawal(environment, None)

    assert key["verification"]["status"] == "skipped"
    assert ("unverified" in await blocked_by(bot)) is tells


async def test_where_no_host_could_have_answered_an_unchecked_key_blocks_nothing(
    world: World,
) -> None:
    """Rule R38: an exchange that cannot be reached reveals nothing about a key."""
    async with HttpTransport() as http:
        without = Exchanges(http, hosts={"okx": {"testnet": {"rest": None}}})
        async with changed(world, exchanges=without) as alone:
            bot, _, _ = await alone.user().ready_bot(verify=False)

            assert "unverified" not in await blocked_by(bot)


async def test_a_key_checked_while_the_exchange_was_away_blocks_nothing(world: World) -> None:
    """Rule R38."""
    world.simulator.faults.set("okx", "testnet", FaultKind.SERVER_ERROR)
    async with apart(world) as alone:
        bot, _, key = await alone.user().ready_bot()
        world.simulator.faults.clear()

        assert key["verification"]["status"] == "unreachable"
        assert "unverified" not in await blocked_by(bot)


async def test_under_the_policy_warn_neither_blocks(world: World) -> None:
    """Rule R38."""
    trading = await unverified_trader(world)
    async with changed(world, settings={"withdrawal_policy": "warn"}) as lenient:
        http = replace(trading, world=lenient, bot=Bot(lenient.http, trading.bot.token))
        await http.report("opening", "unverified")
        await report(trading.bot, permissions={"withdraw": "yes"})
        await http.report("opening", "withdraws")
    assert (await trading.refused("opening", "again"))["code"] == "withdrawal_permission"


async def test_the_bot_s_answer_about_withdrawal_verifies_the_key(world: World) -> None:
    """Rule R38."""
    trading = await unverified_trader(world)
    assert await blocked_by(trading.bot) == ["unverified"]

    await report(trading.bot, permissions={"withdraw": "no"}, key_id=trading.key["id"])
    free = await blocked_by(trading.bot)
    await report(trading.bot, permissions={"withdraw": "yes"})
    found = await blocked_by(trading.bot)
    await report(trading.bot, permissions={"withdraw": "no"})

    assert (free, found) == ([], ["withdrawal_permission"])
    assert await blocked_by(trading.bot) == []
    await trading.report("opening")


Way = Callable[[Trader], Awaitable[Any]]


async def _reassigned(trading: Trader) -> None:
    await trading.unassign()
    await trading.assign(trading.key)


async def _reactivated(trading: Trader) -> None:
    await trading.deactivate()
    await trading.deactivate(active=True)


async def _switched(trading: Trader) -> None:
    key = f"/v1/keys/{trading.key['id']}"
    await trading.unassign()
    for contract_type in ("inverse", "linear"):
        answer = await trading.user.patch(key, {"contract_type": contract_type})
        assert answer.status_code == 200, answer.text
    await trading.assign(trading.key)


async def _rejected_for_a_while(trading: Trader) -> None:
    await report(
        trading.bot, status="rejected", reason="invalid_key", permissions={"withdraw": "no"}
    )
    await report(trading.bot)


async def _replaced(trading: Trader, **body: Any) -> None:
    new = {**credentials(trading.world, "trade"), "confirm_same_account": True, **body}
    answer = await trading.user.put(f"/v1/keys/{trading.key['id']}/credentials", new)
    assert answer.status_code == 200, answer.text


async def _replaced_while_the_exchange_is_away(trading: Trader) -> None:
    trading.world.simulator.faults.set("okx", "testnet", FaultKind.SERVER_ERROR)
    async with apart(trading.world) as alone:
        await _replaced(replace(trading, user=replace(trading.user, http=alone.http)))
    trading.world.simulator.faults.clear()


async def _reported_for_another_version(trading: Trader) -> None:
    for version in (2, 3):
        await report(trading.bot, version=version, permissions={"withdraw": "no"})


async def _reported_for_another_key(trading: Trader) -> None:
    other = await trading.user.add_key("trade_2")
    await report(trading.bot, key_id=other["id"], permissions={"withdraw": "no"})


async def _reported_by_a_bot_that_has_lost_the_key(trading: Trader) -> None:
    bot, former = await trading.user.add_bot(), trading.bot
    await trading.unassign()
    assert (await trading.user.assign(bot["id"], trading.key["id"])).status_code == 200
    await report(former, permissions={"withdraw": "no"}, key_id=trading.key["id"])
    await report(former, permissions={"withdraw": "no"})
    trading.bot = await trading.user.mint(bot["id"])


async def _reported_late(trading: Trader) -> None:
    await report(trading.bot)
    earlier = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    await report(trading.bot, checked_at=earlier, permissions={"withdraw": "no"})


WAYS: dict[str, Way] = {
    "a new label": lambda t: t.user.patch(f"/v1/keys/{t.key['id']}", {"label": "Trusted"}),
    "deactivated and activated": _reactivated,
    "unassigned and assigned": _reassigned,
    "switched and switched back": _switched,
    "accepted without a word about permissions": lambda t: report(t.bot),
    "accepted with other permissions": lambda t: report(t.bot, permissions={"trade": "yes"}),
    "unknown": lambda t: report(t.bot, permissions={"withdraw": "unknown"}),
    "rejected, then accepted": _rejected_for_a_while,
    "the same credentials, unchecked": lambda t: _replaced(t, verify=False),
    "the same credentials, unreachable": _replaced_while_the_exchange_is_away,
    "a report for another version": _reported_for_another_version,
    "a report for another key": _reported_for_another_key,
    "a report of a former bot": _reported_by_a_bot_that_has_lost_the_key,
    "a report older than the last": _reported_late,
}


@pytest.mark.parametrize("reason", ["unverified", "withdrawal_permission"])
@pytest.mark.parametrize("way", list(WAYS))
async def test_no_way_but_an_answer_of_the_exchange_brings_trust(
    world: World, way: str, reason: str
) -> None:
    """Rule R38."""
    trading = await unverified_trader(world)
    if reason == "withdrawal_permission":
        await report(trading.bot, permissions={"withdraw": "yes"})

    await WAYS[way](trading)

    assert reason in await blocked_by(trading.bot)


@pytest.mark.parametrize("reason", ["unverified", "withdrawal_permission"])
async def test_a_verified_replacement_brings_trust(world: World, reason: str) -> None:
    """Rule R38."""
    trading = await unverified_trader(world)
    if reason == "withdrawal_permission":
        await report(trading.bot, permissions={"withdraw": "yes"})

    await _replaced(trading, **credentials(world, "trade_2"))

    assert await blocked_by(trading.bot) == []


async def test_trust_is_not_inherited_by_unchecked_credentials(world: World) -> None:
    """Rule R38."""
    trading = await trader(world)

    await _replaced(trading, **credentials(world, "trade_2"), verify=False)

    assert await blocked_by(trading.bot) == ["unverified"]


async def test_a_bot_whose_clock_is_slower_than_its_predecessor_s_is_heard(world: World) -> None:
    """Rule R23: a bot's time is compared with its own earlier times only."""
    trading = await trader(world)
    ahead = (datetime.now(UTC) + timedelta(minutes=4)).isoformat()
    await report(trading.bot, checked_at=ahead, permissions={"withdraw": "no"})
    bot = await trading.user.add_bot()
    await trading.unassign()
    assert (await trading.user.assign(bot["id"], trading.key["id"])).status_code == 200
    successor = await trading.user.mint(bot["id"])

    await report(successor, permissions={"withdraw": "yes"})

    assert await blocked_by(successor) == ["withdrawal_permission"]


async def test_an_unknown_answer_takes_back_no_missing_right_to_trade(world: World) -> None:
    """Rule R23."""
    trading = await trader(world)
    await report(trading.bot, permissions={"trade": "no"})

    await report(trading.bot, permissions={"trade": "unknown"})

    assert await blocked_by(trading.bot) == ["key_cannot_trade"]

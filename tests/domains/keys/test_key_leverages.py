"""Maximum leverages, which Binance states to one exchange account only."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.simulator import credentials
from botkeys.client.health import MOST_SYMBOLS, CredentialHealth
from botkeys.exchanges.model import ContractType
from tests.support.assets import add_asset, assets_of, refusal
from tests.support.catalogue import BINANCE, instrument, list_instruments
from tests.support.positions import Trader
from tests.support.world import Json, User, World

SYMBOL = "BTCUSDT"


async def listed(world: World) -> None:
    await list_instruments(world, BINANCE, instrument(SYMBOL, max_leverage=None))


@contextmanager
def allowed(world: World, variant: str, most: str) -> Iterator[None]:
    """Let Binance allow the account of this key no more than that."""
    keys = world.simulator.keys
    key = keys.find("binance", "testnet", credentials()["binance"]["testnet"][variant]["api_key"])
    assert key is not None
    keys.add(replace(key, traits=(("most_leverage", most),)))
    try:
        yield
    finally:
        keys.add(key)


async def maximum(user: User, key: Json) -> tuple[Any, Any]:
    """Return the maximum as an asset and as an instrument shows it."""
    asset = (await user.get(f"{assets_of(key)}/{SYMBOL}")).json()
    page = (await user.get(f"/v1/keys/{key['id']}/instruments?search=btcusdt")).json()
    return asset["max_leverage"], page["items"][0]["max_leverage"]


def health(key: Json, **maxima: str) -> Json:
    report = CredentialHealth(
        key["id"],
        key["version"],
        datetime.now(UTC) - timedelta(seconds=1),
        contract_type=ContractType.LINEAR,
        max_leverage={symbol: Decimal(most) for symbol, most in maxima.items()},
    )
    return {"credentials": report.as_json()}


async def test_what_one_account_may_is_no_answer_about_another(world: World) -> None:
    """Rule R15."""
    await listed(world)
    alice, bob = world.user("alice"), world.user("bob")
    bot, document, first = await alice.ready_bot(exchange="binance")
    await add_asset(alice, first, symbol=SYMBOL, leverage="100")
    with allowed(world, "other_account", "20"):
        second = await bob.add_key("other_account", exchange="binance")
        mine = await alice.add_key("other_account", exchange="binance")

    above = await bob.post(assets_of(second), {"symbol": SYMBOL, "leverage": "21"})
    for user, key in ((bob, second), (alice, mine)):
        await add_asset(user, key, symbol=SYMBOL, leverage="20")
        assert await maximum(user, key) == ("20", "20")
    assert (refusal(above), above.json()["max_leverage"]) == ((422, "leverage_above_max"), "20")
    assert await maximum(alice, first) == ("125", "125")
    trading = Trader(world, alice, bot, document, first)
    assert (await trading.report("opening", symbol=SYMBOL))["leverage"] == "100"


async def test_the_daily_check_keeps_the_maximum_fresh(world: World) -> None:
    """Rule R15."""
    await listed(world)
    user = world.user()
    bot, _, key = await user.ready_bot(exchange="binance")
    await add_asset(user, key, symbol=SYMBOL, leverage="100")
    before = (await bot.get("/v1/runtime/config")).json()

    answer = await bot.post("/v1/runtime/heartbeat", health(key, BTCUSDT="50", ETHUSDT="75"))

    assert answer.status_code == 200, answer.text
    assert await maximum(user, key) == ("50", "50")
    after = (await bot.get("/v1/runtime/config")).json()
    assert after["version"] == answer.json()["config_version"] != before["version"]
    assert after["assets"][0]["blocked_by"] == ["leverage_above_max"]
    # A check that brought no table changes nothing; the next table stands in place of the last.
    await bot.post("/v1/runtime/heartbeat", health(key))
    assert await maximum(user, key) == ("50", "50")
    await bot.post("/v1/runtime/heartbeat", health(key, ETHUSDT="75"))
    assert await maximum(user, key) == (None, None)


async def test_a_report_about_former_credentials_brings_no_maximum(world: World) -> None:
    """Rule R23."""
    await listed(world)
    user = world.user()
    bot, _, key = await user.ready_bot(exchange="binance")
    await add_asset(user, key, symbol=SYMBOL, leverage="10")
    known = await maximum(user, key)

    stale = health({**key, "version": 7}, BTCUSDT="5")
    assert (await bot.post("/v1/runtime/heartbeat", stale)).status_code == 200

    assert await maximum(user, key) == known


async def test_unproven_credentials_leave_no_maximum(world: World) -> None:
    """Rule R15: what was stated to the former credentials is no answer about the new ones."""
    await listed(world)
    user = world.user()
    key = await user.add_key(exchange="binance")
    await add_asset(user, key, symbol=SYMBOL, leverage="10")
    body = world.new_key("other_account", exchange="binance")

    answer = await user.put(
        f"/v1/keys/{key['id']}/credentials",
        {
            "api_key": body["api_key"],
            "api_secret": body["api_secret"],
            "verify": False,
            "confirm_same_account": True,
        },
    )

    assert answer.status_code == 200, answer.text
    assert await maximum(user, key) == (None, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"contract_type": "linear", "groups": []},
        {"contract_type": "quanto", "groups": [{"max_leverage": "5", "symbols": [SYMBOL]}]},
        {"groups": [{"max_leverage": "5", "symbols": [SYMBOL]}]},
        {"contract_type": "linear", "groups": [{"max_leverage": "0", "symbols": [SYMBOL]}]},
        {"contract_type": "linear", "groups": [{"max_leverage": "5", "symbols": []}]},
        {
            "contract_type": "linear",
            "groups": [{"max_leverage": "5", "symbols": ["S"] * (MOST_SYMBOLS + 1)}],
        },
    ],
)
async def test_a_report_of_leverages_is_bounded(world: World, wrong: Json) -> None:
    bot, _, key = await world.user().ready_bot(exchange="binance")
    body = health(key)
    body["credentials"]["max_leverages"] = wrong

    assert refusal(await bot.post("/v1/runtime/heartbeat", body)) == (422, "invalid_request")


async def test_a_bot_reports_no_more_than_a_heartbeat_takes(world: World) -> None:
    bot, _, key = await world.user().ready_bot(exchange="binance")
    many = {f"A{number:05}USDT": "20" for number in range(MOST_SYMBOLS + 5)}

    assert (await bot.post("/v1/runtime/heartbeat", health(key, **many))).status_code == 200

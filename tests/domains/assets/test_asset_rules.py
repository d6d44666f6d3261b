"""The rules that a trading asset must obey."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text

from app.db.migrate import alembic_config
from app.domains.catalogue.repository import CatalogueKey
from app.simulator import FaultKind
from botkeys.exchanges.model import ContractType, Environment, MarginMode
from tests.support.assets import BODY, BTC, ETH, add_asset, assets_of, key_with_instruments, refusal
from tests.support.catalogue import BINANCE, OKX, instrument, list_instruments
from tests.support.positions import A_SECOND_AGO, IN_A_MINUTE, add_position
from tests.support.variants import add_unchecked
from tests.support.world import World

CROSS, ISOLATED = (MarginMode.CROSS,), (MarginMode.ISOLATED,)
GEMINI = CatalogueKey("gemini", Environment.TESTNET, None, ContractType.LINEAR)
DERIBIT = CatalogueKey("deribit", Environment.TESTNET, None, ContractType.LINEAR)


async def test_leverage_is_at_most_the_symbol_s_maximum(world: World) -> None:
    """Rule R15."""
    user = world.user()
    key = await key_with_instruments(world)
    path = f"{assets_of(key)}/{ETH}"

    refused = await user.post(assets_of(key), {**BODY, "symbol": ETH, "leverage": "50.01"})
    await add_asset(user, key, symbol=ETH, leverage="50")
    change = await user.patch(path, {"leverage": 51, "enabled": False})

    for answer in (refused, change):
        assert refusal(answer) == (422, "leverage_above_max")
        assert answer.json()["max_leverage"] == "50"
    asset = (await user.get(path)).json()
    assert (asset["leverage"], asset["enabled"]) == ("50", True)


async def test_an_unknown_maximum_refuses_nothing_until_a_signed_call_tells_it(
    world: World,
) -> None:
    """Rule R15."""
    user = world.user()
    await list_instruments(world, BINANCE, instrument("BTCUSDT", max_leverage=None))
    key = await add_unchecked(user)
    asset = await add_asset(user, key, symbol="BTCUSDT", leverage="99999")
    assert (asset["max_leverage"], asset["blocked_by"]) == (None, [])

    real = world.new_key(exchange="binance")
    body = {name: real[name] for name in ("api_key", "api_secret")}
    replaced = await user.put(
        f"/v1/keys/{key['id']}/credentials", {**body, "confirm_same_account": True}
    )
    assert replaced.status_code == 200, replaced.text

    path = f"{assets_of(key)}/BTCUSDT"
    learned = (await user.get(path)).json()
    assert learned["blocked_by"] == ["leverage_above_max"]
    refused = await user.patch(path, {"leverage": "1000"})
    assert refusal(refused) == (422, "leverage_above_max")
    assert refused.json()["max_leverage"] == learned["max_leverage"]
    assert (await user.patch(path, {"leverage": learned["max_leverage"]})).json()[
        "may_open_positions"
    ]


async def test_leverage_is_required_where_it_can_be_set(world: World) -> None:
    user = world.user()
    key = await key_with_instruments(world)

    for body in ({"symbol": BTC}, {"symbol": BTC, "leverage": None}):
        answer = await user.post(assets_of(key), body)
        assert refusal(answer) == (422, "invalid_request")
        assert answer.json()["errors"][0]["loc"] == ["body", "leverage"]


IMPLICIT = [
    (DERIBIT, "BTC_USDC-PERPETUAL", "100"),
    (GEMINI, "BTCGUSDPERP", None),
]


@pytest.mark.parametrize(("catalogue", "symbol", "most"), IMPLICIT, ids=("deribit", "gemini"))
async def test_leverage_cannot_be_set_where_it_is_implicit(
    world: World, catalogue: CatalogueKey, symbol: str, most: str | None
) -> None:
    """Rule R15."""
    user = world.user()
    listed = instrument(symbol, margin_modes=CROSS, max_leverage=most)
    await list_instruments(world, catalogue, listed)
    key = await user.add_key(exchange=catalogue.exchange, verify=False)

    refused = await user.post(assets_of(key), {"symbol": symbol, "leverage": "2"})
    asset = await add_asset(user, key, symbol=symbol, leverage=None)
    change = await user.patch(f"{assets_of(key)}/{symbol}", {"leverage": "2"})

    assert refusal(refused) == (422, "leverage_not_settable")
    assert refusal(change) == (422, "leverage_not_settable")
    assert (asset["leverage"], asset["max_leverage"], asset["blocked_by"]) == (None, most, [])


def forgetting() -> str:
    """Return the statement of the migration that takes leverages away."""
    for script in ScriptDirectory.from_config(alembic_config()).walk_revisions():
        statement: str | None = getattr(script.module, "FORGET_LEVERAGE", None)
        if statement is not None:
            return statement
    raise LookupError


async def test_a_leverage_from_before_it_was_known_to_be_implicit_is_forgotten(
    world: World,
) -> None:
    """Rule R15."""
    user = world.user()
    for name, symbol in ((GEMINI, "BTCGUSDPERP"), (OKX, BTC)):
        await list_instruments(world, name, instrument(symbol, margin_modes=CROSS))
    old = await user.add_key(exchange="gemini", verify=False)
    other = await user.add_key(verify=False)
    await add_asset(user, old, symbol="BTCGUSDPERP", leverage=None)
    await add_asset(user, other, leverage="7")
    async with world.context.database.sessions.begin() as session:
        await session.execute(
            text("UPDATE trading_assets SET leverage = 1000 WHERE leverage IS NULL")
        )
        await session.execute(text(forgetting()))

    now = await user.get(f"{assets_of(old)}/BTCGUSDPERP")
    assert (now.json()["leverage"], now.headers["ETag"]) == (None, '"2"')
    assert (await user.get(f"{assets_of(other)}/{BTC}")).json()["leverage"] == "7"


@pytest.mark.parametrize(
    ("offered", "default", "other"), [(CROSS, "cross", "isolated"), (ISOLATED, "isolated", "cross")]
)
async def test_a_symbol_with_one_margin_mode_has_that_one(
    world: World, offered: tuple[MarginMode, ...], default: str, other: str
) -> None:
    """Rule R16."""
    user = world.user()
    await list_instruments(world, OKX, instrument(margin_modes=offered))
    key = await user.add_key(verify=False)

    refused = await user.post(assets_of(key), {**BODY, "margin_mode": other})
    asset = await add_asset(user, key)
    change = await user.patch(f"{assets_of(key)}/{BTC}", {"margin_mode": other})

    assert (asset["margin_mode"], asset["margin_modes"]) == (default, [default])
    for answer in (refused, change):
        assert refusal(answer) == (422, "margin_mode_not_supported")
        assert answer.json()["margin_modes"] == [default]


@pytest.mark.parametrize(
    ("exchange", "symbol", "leverage", "modes"),
    [
        ("okx", "BTC-USDT-SWAP", "10", ["cross", "isolated"]),
        ("deribit", "BTC_USDC-PERPETUAL", None, ["cross"]),
        ("kraken", "PF_XBTUSD", None, ["cross", "isolated"]),
    ],
)
async def test_adding_fetches_a_catalogue_that_was_never_fetched(
    world: World, exchange: str, symbol: str, leverage: str | None, modes: list[str]
) -> None:
    user = world.user()
    key = await user.add_key(exchange=exchange, verify=False)

    asset = await add_asset(user, key, symbol=symbol, leverage=leverage)

    assert (asset["base"], asset["listed"], asset["leverage"]) == ("BTC", True, leverage)
    assert (asset["margin_mode"], asset["margin_modes"]) == ("cross", modes)


async def test_without_a_catalogue_no_symbol_can_be_checked(world: World) -> None:
    """Rule R14."""
    user = world.user()
    key = await user.add_key(verify=False)
    world.simulator.faults.set("okx", "testnet", FaultKind.HTML)

    answers = [await user.post(assets_of(key), BODY)]
    calls = world.simulator.calls("okx", "testnet")
    answers.append(await user.post(assets_of(key), BODY))

    for answer in answers:
        assert refusal(answer) == (409, "catalogue_unknown")
        assert answer.json()["reason"] == "bad_answer"
    assert world.simulator.calls("okx", "testnet") == calls, "it was asked again at once"


async def test_a_symbol_must_be_listed_in_the_key_s_own_catalogue(world: World) -> None:
    """Rule R14."""
    user = world.user()
    key = await key_with_instruments(world)
    await list_instruments(world, BINANCE, instrument("BTCUSDT"))
    await list_instruments(world, OKX, instrument(ETH))  # BTC is delisted

    for symbol in ("BTCUSDT", "DOGE/USDT:USDT", " ETH-USDT-SWAP", "NONE", BTC):
        answer = await user.post(assets_of(key), {**BODY, "symbol": symbol})
        assert refusal(answer) == (422, "unknown_symbol"), symbol


async def test_the_same_symbol_is_added_once(world: World) -> None:
    user = world.user()
    key = await key_with_instruments(world)
    asset = await add_asset(user, key)

    answer = await user.post(assets_of(key), {**BODY, "leverage": "5"})

    assert refusal(answer) == (409, "asset_already_added")
    assert (await user.get(assets_of(key))).json()["items"] == [asset]


LEVERAGES: list[Any] = [
    "0",
    "-1",
    "",
    "ten",
    "1e2",
    "1_0",
    " 10",
    "\u0661\u0660",
    "NaN",
    "Infinity",
    "10.00001",
    "1" * 20,
    0,
    -5,
    True,
    [],
    {},
    1e300,
    10**30,
    0.00001,
]


async def test_what_is_no_leverage_symbol_or_mode_is_refused(world: World) -> None:
    user = world.user()
    key = await key_with_instruments(world)
    await add_asset(user, key, symbol=ETH)
    bad: list[dict[str, Any]] = [{**BODY, "leverage": value} for value in LEVERAGES]
    bad += [{**BODY, "symbol": value} for value in ("", "x" * 101, "a\x00b", "a\nb", None, 5)]
    bad += [{**BODY, "margin_mode": "portfolio"}, {**BODY, "enabled": "maybe"}, {**BODY, "x": 1}]

    for body in bad:
        answer = await user.post(assets_of(key), body)
        assert refusal(answer) == (422, "invalid_request"), body
    for value in LEVERAGES:
        answer = await user.patch(f"{assets_of(key)}/{ETH}", {"leverage": value})
        assert refusal(answer) == (422, "invalid_request"), value
    for symbol in ("a\x00b", "x" * 101, "\ufffe"):
        for method in ("GET", "PATCH", "DELETE"):
            path = f"{assets_of(key)}/{quote(symbol)}"
            answer = await user.call(method, path, {} if method == "PATCH" else None)
            assert refusal(answer) == (422, "invalid_request")


async def test_an_asset_says_when_a_refresh_lowers_its_maximum_or_delists_it(world: World) -> None:
    user = world.user()
    key = await key_with_instruments(world)
    await add_asset(user, key)
    path = f"{assets_of(key)}/{BTC}"

    await list_instruments(world, OKX, instrument(BTC, max_leverage="5"))
    lowered = (await user.get(path)).json()
    await list_instruments(world, OKX, instrument(ETH))
    delisted = (await user.get(path)).json()
    disabled = (await user.patch(path, {"enabled": False})).json()

    assert (lowered["leverage"], lowered["max_leverage"], lowered["listed"]) == ("10", "5", True)
    assert (lowered["may_open_positions"], lowered["blocked_by"]) == (False, ["leverage_above_max"])
    assert delisted["listed"] is False
    assert delisted["blocked_by"] == ["asset_delisted", "leverage_above_max"]
    assert disabled["blocked_by"] == ["asset_disabled", "asset_delisted", "leverage_above_max"]
    assert (await user.patch(path, {"leverage": "5"})).json()["blocked_by"] == [
        "asset_disabled",
        "asset_delisted",
    ]


@pytest.mark.parametrize(
    ("status", "expires_in", "blocks"),
    [
        ("open", None, True),
        ("opening", IN_A_MINUTE, True),
        ("opening", A_SECOND_AGO, False),
        ("closed", None, False),
    ],
)
async def test_margin_mode_and_asset_stay_while_a_position_is_open_on_the_symbol(
    world: World, status: str, expires_in: timedelta | None, blocks: bool
) -> None:
    """Rule R17."""
    user = world.user()
    bot, document, key = await user.ready_bot()
    await list_instruments(world, OKX, instrument(BTC), instrument(ETH))
    for symbol in (BTC, ETH):
        await add_asset(user, key, symbol=symbol)
    await add_position(
        world, bot.account_id, document["id"], key["id"], status=status, expires_in=expires_in
    )
    path = f"{assets_of(key)}/{BTC}"
    listed = (await user.get(assets_of(key))).json()["items"]

    switched = await user.patch(path, {"margin_mode": "isolated", "leverage": "2"})
    kept = await user.patch(path, {"margin_mode": "isolated" if not blocks else "cross"})
    disabled = await user.patch(path, {"leverage": "3", "enabled": False})
    removed = await user.delete(path)

    held = {item["symbol"]: item["open_positions"] for item in listed}
    assert held == {BTC: int(blocks), ETH: 0}
    assert (kept.status_code, disabled.status_code) == (200, 200)
    assert (disabled.json()["leverage"], disabled.json()["enabled"]) == ("3", False)
    if blocks:
        for answer in (switched, removed):
            assert refusal(answer) == (409, "position_open")
            assert answer.json()["count"] == 1
        assert disabled.json()["margin_mode"] == "cross"
    else:
        assert (switched.status_code, removed.status_code) == (200, 204)
    other = f"{assets_of(key)}/{ETH}"
    assert (await user.patch(other, {"margin_mode": "isolated"})).status_code == 200
    assert (await user.delete(other)).status_code == 204

"""Kraken's leverage, which a position has with isolated margin and with no other."""

from typing import Any

import pytest
from sqlalchemy import text

from app.domains.catalogue.repository import CatalogueKey
from botkeys.exchanges.model import ContractType, Environment, MarginMode
from tests.support.assets import assets_of, refusal
from tests.support.catalogue import instrument, list_instruments
from tests.support.positions import Trader
from tests.support.world import User, World

LINEAR = CatalogueKey("kraken", Environment.TESTNET, None, ContractType.LINEAR)
INVERSE = CatalogueKey("kraken", Environment.TESTNET, None, ContractType.INVERSE)
PF, PI = "PF_XBTUSD", "PI_XBTUSD"
ISOLATED = {"symbol": PF, "leverage": "5", "margin_mode": "isolated"}


async def trading_at_kraken(world: World, contract_type: str = "linear") -> tuple[User, Trader]:
    await list_instruments(world, LINEAR, instrument(PF, max_leverage="50"))
    await list_instruments(
        world,
        INVERSE,
        instrument(PI, contract_type=ContractType.INVERSE, margin_modes=(MarginMode.CROSS,)),
    )
    user = world.user()
    bot, document, key = await user.ready_bot(exchange="kraken", contract_type=contract_type)
    return user, Trader(world, user, bot, document, key)


async def test_a_leverage_goes_with_isolated_margin_and_with_no_other(world: World) -> None:
    """Rule R15."""
    user, trading = await trading_at_kraken(world)
    assets = assets_of(trading.key)
    faults: list[tuple[dict[str, Any], str]] = [
        ({"symbol": PF, "leverage": "5"}, "leverage_not_settable"),
        ({"symbol": PF, "leverage": "5", "margin_mode": "cross"}, "leverage_not_settable"),
        ({"symbol": PF, "margin_mode": "isolated"}, "invalid_request"),
        ({**ISOLATED, "leverage": "51"}, "leverage_above_max"),
    ]

    for body, code in faults:
        assert refusal(await user.post(assets, body)) == (422, code), body
    taken = (await user.post(assets, ISOLATED)).json()

    assert (taken["margin_mode"], taken["leverage"]) == ("isolated", "5")
    opening = await trading.report("opening", symbol=PF)
    assert (opening["margin_mode"], opening["leverage"]) == ("isolated", "5")


async def test_a_change_of_the_margin_mode_takes_and_gives_back_the_leverage(world: World) -> None:
    """Rule R15."""
    user, trading = await trading_at_kraken(world)
    path = f"{assets_of(trading.key)}/{PF}"
    added = (await user.post(assets_of(trading.key), {"symbol": PF})).json()
    assert (added["margin_mode"], added["leverage"]) == ("cross", None)

    async def change(**members: Any) -> tuple[Any, ...]:
        answer = await user.patch(path, members)
        document = answer.json()
        if answer.status_code == 200:
            return document["margin_mode"], document["leverage"]
        return refusal(answer)

    assert await change(leverage="5") == (422, "leverage_not_settable")
    assert await change(margin_mode="isolated") == (422, "invalid_request")
    assert await change(margin_mode="isolated", leverage="7") == ("isolated", "7")
    assert await change(leverage="8") == ("isolated", "8")
    assert await change(margin_mode="cross", leverage="8") == (422, "leverage_not_settable")
    assert await change(margin_mode="cross") == ("cross", None)
    config = (await trading.bot.get("/v1/runtime/config")).json()
    assert [(item["margin_mode"], item["leverage"]) for item in config["assets"]] == [
        ("cross", None)
    ]
    assert await change(margin_mode="isolated") == ("isolated", "8")


async def test_a_leverage_stored_with_cross_margin_is_kept_but_never_shown_or_used(
    world: World,
) -> None:
    """Rule R15: the release before took one, and may go on to during an upgrade."""
    user, trading = await trading_at_kraken(world)
    path = f"{assets_of(trading.key)}/{PF}"
    await user.post(assets_of(trading.key), {"symbol": PF})
    async with world.context.database.sessions.begin() as session:
        await session.execute(text("UPDATE trading_assets SET leverage = 99"))

    asset = (await user.get(path)).json()
    [of_bot] = (await trading.bot.get("/v1/runtime/config")).json()["assets"]
    opening = await trading.report("opening", symbol=PF)
    other = await trading.report("opening", "p2", symbol=PF, margin_mode="isolated", leverage="3")
    refused = await trading.refused("opening", "p3", symbol=PF, leverage="3")
    for name in ("p1", "p2"):
        await trading.report("closed", name, symbol=PF)

    assert (asset["leverage"], asset["blocked_by"], of_bot["leverage"]) == (None, [], None)
    assert (opening["margin_mode"], opening["leverage"]) == ("cross", None)
    assert (other["margin_mode"], other["leverage"]) == ("isolated", "3")
    assert refused["code"] == "leverage_not_settable"
    again = (await user.patch(path, {"margin_mode": "isolated"})).json()
    assert (again["leverage"], again["blocked_by"]) == ("99", ["leverage_above_max"])


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"margin_mode": "isolated", "leverage": "2"}, "margin_mode_not_supported"),
        ({"leverage": "2"}, "leverage_not_settable"),
    ],
)
async def test_inverse_contracts_are_cross(
    world: World, members: dict[str, str], code: str
) -> None:
    """Rule R16."""
    user, trading = await trading_at_kraken(world, "inverse")

    refused = await user.post(assets_of(trading.key), {"symbol": PI, **members})
    asset = (await user.post(assets_of(trading.key), {"symbol": PI})).json()

    assert refusal(refused) == (422, code)
    assert (asset["margin_mode"], asset["leverage"]) == ("cross", None)
    assert asset["margin_modes"] == ["cross"]

"""The recipes that need ccxt do what they say."""

import ast
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from botkeys.client import BotClient, HttpTransport, MayNotOpen, TransportLimits
from botkeys.transport.client import ASGITransport
from tests.support.assets import assets_of
from tests.support.catalogue import BINANCE, instrument, list_instruments
from tests.support.world import World

RECIPES = Path(__file__).parents[2] / "docs/recipes"


def python_of(recipe: str) -> Any:
    """Return what the recipe's script defines, without running its last lines."""
    text = (RECIPES / recipe).read_text("utf-8")
    [script] = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert isinstance(ast.parse(script).body[-1], ast.If)
    names: dict[str, Any] = {"__name__": "recipe"}
    exec(compile(script, recipe, "exec"), names)  # noqa: S102  # our own document
    return names


async def test_the_ccxt_script_trades_and_reports(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    await list_instruments(world, BINANCE, replace(instrument("BTCUSDT"), contract_size=Decimal(1)))
    user = world.user()
    bot, _, key = await user.ready_bot(exchange="binance")
    trade = python_of("ccxt-script.md")["trade"]
    async with (
        HttpTransport(TransportLimits(attempts=1), transport=ASGITransport(world.app)) as http,
        BotClient("https://botkeys.test", bot.token, exchange="binance", transport=http) as client,
    ):
        with pytest.raises(MayNotOpen):
            await trade(client)  # no asset is enabled yet
        added = await user.post(assets_of(key), {"symbol": "BTCUSDT", "leverage": "5"})
        assert added.status_code == 201, added.text
        await trade(client)
    assert capsys.readouterr().out == "bought and sold 0.002 of BTCUSDT\n"
    [stored] = (await user.get("/v1/trades?environment=testnet")).json()["items"]
    assert (stored["symbol"], stored["quantity"], stored["leverage"]) == ("BTCUSDT", "0.002", "5")
    assert stored["pnl"] is not None
    [equity] = (await user.get("/v1/equity-snapshots?environment=testnet")).json()["items"]
    assert equity["settle"] == "USDT"

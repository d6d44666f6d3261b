"""ccxt trades on the simulated Binance and Bybit: orders rest, end, and become positions."""

from decimal import Decimal

import pytest

from app.simulator import credentials
from botkeys.exchanges.model import ContractType, Environment
from tests.outside.ccxt_client import OutsideClient
from tests.outside.conftest import BothSides

SYMBOLS = {
    ("binance", ContractType.LINEAR): ("BTC/USDT:USDT", "0.002"),
    ("binance", ContractType.INVERSE): ("BTC/USD:BTC", "2"),
    ("bybit", ContractType.LINEAR): ("BTC/USDT:USDT", "0.002"),
    ("bybit", ContractType.INVERSE): ("BTC/USD:BTC", "2"),
}


@pytest.mark.parametrize(("exchange", "kind"), SYMBOLS)
async def test_an_order_rests_is_cancelled_and_a_filled_one_is_a_position(
    both_sides: BothSides, exchange: str, kind: ContractType
) -> None:
    client = await both_sides.client(exchange, Environment.LIVE)
    symbol, quantity = SYMBOLS[exchange, kind]
    amount = float(quantity)
    with client.signing_with(credentials()[exchange]["live"]["trade_2"]):
        await client.ask("set_leverage", 7, symbol)
        with pytest.raises(client.exchange_error):
            await client.ask("set_leverage", 5000, symbol)
        # Other tests leave orders in the same exchange account.
        before = await _resting(client, symbol)
        order = await client.ask("create_order", symbol, "limit", "buy", amount, 50_000.0)
        assert await _resting(client, symbol) - before == {order["id"]}
        await client.ask("cancel_order", order["id"], symbol)
        assert await _resting(client, symbol) == before
        with pytest.raises(client.exchange_error):
            await client.ask("cancel_order", order["id"], symbol)
        for side, held in (("buy", [quantity]), ("sell", [])):
            await client.ask("create_order", symbol, "market", side, amount)
            positions = await client.ask("fetch_positions", [symbol], {"subType": kind.value})
            assert [Decimal(str(each["contracts"])) for each in positions] == [
                Decimal(each) for each in held
            ]
    with client.signing_with(credentials()[exchange]["live"]["readonly"]):
        assert await _resting(client, symbol) == before
        with pytest.raises(client.exchange_error):
            await client.ask("set_leverage", 3, symbol)


async def _resting(client: OutsideClient, symbol: str) -> set[str]:
    return {each["id"] for each in await client.ask("fetch_open_orders", symbol)}

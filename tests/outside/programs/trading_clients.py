"""pybit and python-binance trade on the simulator: read as JSON, written as JSON.

Each sets a leverage, places a resting order, finds it, cancels it, buys at the market and finds the
position; then it cancels once more, what is gone.
"""

import json
import sys
from typing import Any

from binance.client import Client
from binance.exceptions import BinanceAPIException
from pybit.exceptions import InvalidRequestError
from pybit.unified_trading import HTTP


def with_pybit(address: str, key: dict[str, str]) -> Any:
    client = HTTP(testnet=True, api_key=key["api_key"], api_secret=key["api_secret"])
    client.endpoint = address
    place = {"category": "linear", "symbol": "BTCUSDT"}
    client.set_leverage(**place, buyLeverage="7", sellLeverage="7")
    order = {**place, "side": "Buy", "qty": "0.001"}
    rests = client.place_order(**order, orderType="Limit", price="50000")["result"]["orderId"]
    found = [row["orderId"] for row in client.get_open_orders(**place)["result"]["list"]]
    client.cancel_order(**place, orderId=rests)
    left = client.get_open_orders(**place)["result"]["list"]
    client.place_order(**order, orderType="Market")
    (position,) = client.get_positions(**place)["result"]["list"]
    try:
        client.cancel_order(**place, orderId=rests)
        refused = None
    except InvalidRequestError as error:
        refused = error.status_code
    return {
        "found": found == [rests],
        "left": left,
        "position": [position["side"], position["size"], position["leverage"]],
        "refused": refused,
    }


def with_python_binance(address: str, key: dict[str, str]) -> Any:
    client = Client(key["api_key"], key["api_secret"], ping=False)
    client.FUTURES_URL = f"{address}/fapi"
    client.futures_change_leverage(symbol="BTCUSDT", leverage=7)
    order = {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.002"}
    rests = client.futures_create_order(**order, type="LIMIT", timeInForce="GTC", price="50000")[
        "orderId"
    ]
    found = [row["orderId"] for row in client.futures_get_open_orders(symbol="BTCUSDT")]
    client.futures_cancel_order(symbol="BTCUSDT", orderId=rests)
    left = client.futures_get_open_orders(symbol="BTCUSDT")
    client.futures_create_order(**order, type="MARKET")
    (position,) = client.futures_position_information(symbol="BTCUSDT")
    try:
        client.futures_cancel_order(symbol="BTCUSDT", orderId=rests)
        refused = None
    except BinanceAPIException as error:
        refused = error.code
    return {
        "found": found == [rests],
        "left": left,
        "position": ["Buy", position["positionAmt"], position["leverage"]],
        "refused": refused,
    }


if __name__ == "__main__":
    given = json.load(sys.stdin)
    hosts, keys = given["hosts"], given["keys"]
    json.dump(
        {
            "bybit": with_pybit(hosts["bybit"]["testnet"], keys["bybit"]),
            "binance": with_python_binance(
                given["hosts"]["binance"]["live"], given["keys"]["binance"]
            ),
        },
        sys.stdout,
    )

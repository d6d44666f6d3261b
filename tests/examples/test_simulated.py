"""The test of a bot, as its author writes it: against simulated exchanges on ports of their own."""

import hashlib
import hmac
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import httpx
import pytest

from examples.simulated import SimulatedExchanges, credential, simulated_exchanges
from tests.processes.running import free_ports

ORDER = "/fapi/v1/order"


class Bot:
    """A bot of a few lines: it buys on Binance, and tries again when it was too fast."""

    def __init__(self, http: httpx.Client, api_key: str, api_secret: str) -> None:
        self._secret = api_secret.encode()
        self._http = http
        self._http.headers["X-MBX-APIKEY"] = api_key

    def buy(self, symbol: str, quantity: str) -> str:
        """Return the order's state, or the exchange's code."""
        for _ in range(3):
            order = {"symbol": symbol, "side": "BUY", "type": "MARKET", "quantity": quantity}
            query = urlencode({**order, "timestamp": int(time.time() * 1000)})
            signature = hmac.new(self._secret, query.encode(), hashlib.sha256).hexdigest()
            answer = self._http.post(f"{ORDER}?{query}&signature={signature}")
            if answer.status_code != 429:
                break
        return str(answer.json().get("status") or answer.json().get("code"))


@pytest.fixture(scope="module")
def exchanges() -> Iterator[SimulatedExchanges]:
    with simulated_exchanges(free_ports()) as started:
        yield started


@pytest.fixture
def bot(exchanges: SimulatedExchanges) -> Iterator[Callable[[str], Bot]]:
    """Provide a function that makes the bot with a variant of a key."""
    with httpx.Client(base_url=exchanges.address("binance", "live")) as http:

        def make(variant: str) -> Bot:
            key = credential("binance", "live", variant)
            return Bot(http, key["api_key"], key["api_secret"])

        yield make


def test_the_bot_buys_although_the_exchange_slows_it_down(
    exchanges: SimulatedExchanges, bot: Callable[[str], Bot]
) -> None:
    before = exchanges.calls("binance", "live").get(ORDER, 0)
    exchanges.fail("binance", "live", "rate_limited", times=2, path=ORDER)

    assert bot("trade").buy("BTCUSDT", "0.01") in {"NEW", "FILLED"}
    assert exchanges.calls("binance", "live")[ORDER] - before == 3


def test_the_bot_says_that_its_key_may_not_trade(bot: Callable[[str], Bot]) -> None:
    assert bot("readonly").buy("BTCUSDT", "0.01") == "-2015"

"""Faults on request, each as a client sees it."""

import json
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from app.simulator import FaultKind, Faults, Simulator
from tests.simulator.conftest import Market, client


@dataclass(frozen=True)
class Listing:
    """Where an exchange lists its perpetuals: path, keys down to the rows, name of their state.

    `banned` is the status with which it bans a caller.
    """

    path: str
    rows: tuple[str, ...]
    state: str
    banned: int = 418


LISTINGS = {
    "bitmex": Listing("/api/v1/instrument/active", (), "state"),
    "binance": Listing("/fapi/v1/exchangeInfo", ("symbols",), "status"),
    "deribit": Listing("/api/v2/public/get_instruments?kind=future", ("result",), "state"),
    "gemini": Listing("/v1/symbols/details/all", (), "status"),
    "bybit": Listing(
        "/v5/market/instruments-info?category=linear", ("result", "list"), "status", banned=403
    ),
    "kraken": Listing("/derivatives/api/v3/instruments", ("instruments",), "type"),
    "phemex": Listing("/public/products", ("data", "perpProductsV2"), "status"),
    "kucoin": Listing("/api/v1/contracts/active", ("data",), "status"),
    "okx": Listing("/api/v5/public/instruments?instType=SWAP", ("data",), "state"),
    "woox": Listing("/v3/public/instruments", ("data", "rows"), "status"),
}
PATHS = {exchange: listing.path for exchange, listing in LISTINGS.items()}
EXCHANGES = sorted(LISTINGS)


async def rows(market: Market, exchange: str) -> list[dict[str, Any]]:
    answer = (await market.get(exchange, PATHS[exchange])).json()
    for name in LISTINGS[exchange].rows:
        answer = answer[name]
    found: list[dict[str, Any]] = answer
    return found


def states(exchange: str, listed: list[dict[str, Any]]) -> list[str]:
    return [row[LISTINGS[exchange].state] for row in listed]


async def test_a_rate_limit_speaks_the_exchanges_words(market: Market) -> None:
    faults = market.simulator.faults
    faults.set("binance", "live", FaultKind.RATE_LIMITED, retry_after=3)
    response = await market.get("binance", PATHS["binance"])
    assert (response.status_code, response.json()["code"]) == (429, -1003)
    assert response.headers["retry-after"] == "3"
    assert response.headers["x-mbx-used-weight-1m"] == "2401"
    faults.set("okx", "live", FaultKind.RATE_LIMITED)
    response = await market.get("okx", PATHS["okx"])
    assert (response.status_code, response.json()["code"]) == (429, "50011")
    assert "retry-after" not in response.headers


@pytest.mark.parametrize("exchange", EXCHANGES)
async def test_a_ban_tells_how_long(market: Market, exchange: str) -> None:
    market.simulator.faults.set(exchange, "live", "banned", retry_after=60)
    response = await market.get(exchange, PATHS[exchange])
    assert response.status_code == LISTINGS[exchange].banned
    assert response.headers["retry-after"] == "60"


@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize("status", [500, 502, 503, 504, 520])
async def test_any_server_error_can_be_asked_for(
    market: Market, exchange: str, status: int
) -> None:
    market.simulator.faults.set(exchange, "live", "server_error", status=status)
    assert (await market.get(exchange, PATHS[exchange])).status_code == status


@pytest.mark.parametrize("exchange", EXCHANGES)
async def test_a_slow_answer_is_right_and_late(market: Market, exchange: str) -> None:
    market.simulator.faults.set(exchange, "live", "slow", seconds=30)
    with pytest.raises(httpx.ReadTimeout):
        await market.http.get(
            market.simulator.hosts[exchange]["live"] + PATHS[exchange],
            timeout=httpx.Timeout(60, read=0.05),
        )
    market.simulator.faults.clear()
    market.simulator.faults.set(exchange, "live", "slow", seconds=0.001)
    assert len(await rows(market, exchange)) > 30


@pytest.mark.parametrize("exchange", EXCHANGES)
async def test_a_connection_is_cut_before_or_within_the_answer(
    market: Market, exchange: str
) -> None:
    for kind in (FaultKind.CUT, FaultKind.CUT_BODY):
        market.simulator.faults.set(exchange, "live", kind, times=1)
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await market.get(exchange, PATHS[exchange])
    assert len(await rows(market, exchange)) > 30


@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize("kind", ["html", "truncated"])
async def test_a_body_can_be_no_json_under_http_200(
    market: Market, exchange: str, kind: str
) -> None:
    market.simulator.faults.set(exchange, "live", kind)
    response = await market.get(exchange, PATHS[exchange])
    assert response.status_code == 200
    assert response.content
    with pytest.raises(json.JSONDecodeError):
        response.json()


@pytest.mark.parametrize("exchange", EXCHANGES)
async def test_unknown_words_stand_in_every_second_row(market: Market, exchange: str) -> None:
    before = states(exchange, await rows(market, exchange))
    market.simulator.faults.set(exchange, "live", "unknown_words")
    after = states(exchange, await rows(market, exchange))
    assert set(after[::2]) == {"NEVER_SEEN_BEFORE"}
    assert after[1::2] == before[1::2]


@pytest.mark.parametrize("exchange", EXCHANGES)
async def test_a_listing_can_be_empty(market: Market, exchange: str) -> None:
    market.simulator.faults.set(exchange, "live", "empty_list")
    assert await rows(market, exchange) == []


async def test_signed_calls_fail_too_and_broken_ones_are_counted(market: Market) -> None:
    market.simulator.faults.set("okx", "testnet", "server_error")
    path = "/api/v5/account/config"
    assert (await market.okx("trade", path, environment="testnet")).status_code == 503
    assert (await market.okx("trade", path)).status_code == 200
    assert market.simulator.calls("okx", "testnet") == 1
    assert market.simulator.calls("okx", "live", "/api/v5/account") == 1
    assert market.simulator.calls("okx", "live", "/api/v5/public") == 0


async def test_a_fault_ends_after_its_calls_and_the_next_one_begins(market: Market) -> None:
    faults = market.simulator.faults
    faults.set("binance", "live", "rate_limited", times=2)
    faults.set("binance", "live", "server_error", times=1, status=502)
    seen = [(await market.get("binance", PATHS["binance"])).status_code for _ in range(4)]
    assert seen == [429, 429, 502, 200]


async def test_a_fault_keeps_to_its_path_and_environment(market: Market) -> None:
    market.simulator.faults.set("binance", "live", "server_error", path="/dapi/")
    assert (await market.get("binance", "/dapi/v1/time")).status_code == 503
    assert (await market.get("binance", "/fapi/v1/time")).status_code == 200
    assert (await market.get("binance", "/dapi/v1/time", "testnet")).status_code == 200


async def test_clearing_one_exchange_leaves_the_other_failing(market: Market) -> None:
    faults = market.simulator.faults
    for exchange in EXCHANGES:
        faults.set(exchange, "live", "server_error")
    faults.clear("okx")
    assert (await market.get("okx", PATHS["okx"])).status_code == 200
    assert (await market.get("binance", PATHS["binance"])).status_code == 503
    faults.clear()
    assert (await market.get("binance", PATHS["binance"])).status_code == 200


async def test_faults_can_be_there_from_the_start() -> None:
    faults = Faults()
    faults.set("okx", "live", "server_error")
    async with Simulator(faults=faults) as simulator, client() as http:
        url = simulator.hosts["okx"]["live"] + PATHS["okx"]
        assert (await http.get(url)).status_code == 503


@pytest.mark.parametrize(
    ("exchange", "environment", "kind", "times"),
    [
        ("binnance", "live", "slow", None),
        ("okx", "demo", "slow", None),
        ("okx", "live", "sleepy", None),
        ("okx", "live", "slow", 0),
    ],
)
def test_a_fault_that_could_never_apply_is_refused(
    exchange: str, environment: str, kind: str, times: int | None
) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Faults().set(exchange, environment, kind, times=times)


@pytest.mark.parametrize("exchange", EXCHANGES)
async def test_any_code_can_be_refused_with_in_the_exchanges_own_form(
    market: Market, exchange: str
) -> None:
    code = "SomeWord" if exchange in {"bitmex", "gemini", "kraken"} else "54321"
    market.simulator.faults.set(
        exchange, "live", FaultKind.REFUSED, code=code, status=400, message="in their words"
    )
    answer = await market.get(exchange, PATHS[exchange])
    assert answer.status_code == 400
    assert code in answer.text
    assert json.loads(answer.text)


async def test_a_firewall_answers_with_a_page(market: Market) -> None:
    market.simulator.faults.set("okx", "live", FaultKind.FIREWALL)
    answer = await market.get("okx", PATHS["okx"])
    assert (answer.status_code, answer.headers["content-type"]) == (403, "text/html")

"""The simulator compared with independent material: signing vectors and recorded responses.

Both are beside the repository and not part of it; without them these tests are skipped.
"""

import json
import string
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.simulator import KeyText, Permission, SimulatedKey, Simulator
from app.simulator.venues import VENUES
from tests.simulator.conftest import Clock, Market, client
from tests.simulator.recordings import FACTS, compare, recorded

VECTORS = FACTS / "signing-vectors.json"
# Hosts without a simulator: Kraken's spot keys differ from the keys for its futures.
ELSEWHERE = {"api.kraken.com"}
# Headers that are not signed.
UNSIGNED = {"x-simulated-trading", "content-type", "accept", "kc-api-key-version"}
ENVIRONMENTS = {
    "live": "live",
    **dict.fromkeys(("demo", "testnet", "sandbox", "staging"), "testnet"),
}


def vectors() -> Iterator[Any]:
    if not VECTORS.is_file():
        reason = "signing-vectors.json is not beside this repository"
        yield pytest.param("", {}, marks=pytest.mark.skip(reason=reason))
        return
    listed = json.loads(VECTORS.read_text())
    for exchange in VENUES:
        for at, vector in enumerate(listed[exchange]):
            if httpx.URL(vector["url"]).host not in ELSEWHERE:
                yield pytest.param(exchange, vector, id=f"{exchange}-{at}")


def accepted(answer: httpx.Response) -> bool:
    """Return whether the call succeeded; some exchanges refuse under HTTP 200 as well."""
    if answer.status_code != 200:
        assert answer.status_code in (400, 401, 403), answer.text
        return False
    body = answer.json()
    document = body if isinstance(body, dict) else {}
    return document.get("result") != "error" and document.get("retCode", 0) == 0


def changed(written: str, at: int) -> str:
    """Replace one character by the next of its kind, so that only the signature reveals it."""
    for kind in (string.digits, string.ascii_lowercase, string.ascii_uppercase):
        if written[at] in kind:
            following = kind[(kind.index(written[at]) + 1) % len(kind)]
            return written[:at] + following + written[at + 1 :]
    return written[:at] + "A" + written[at + 1 :]


@pytest.mark.parametrize(("exchange", "vector"), list(vectors()))
async def test_a_vector_is_accepted_and_refused_after_any_change(
    exchange: str, vector: dict[str, Any]
) -> None:
    clock = Clock()
    clock.now = vector["fixed_time_ms"] / 1000
    key = SimulatedKey(
        exchange,
        ENVIRONMENTS[vector["environment"]],
        KeyText(vector["api_key"], vector["secret"], vector["passphrase"]),
        "1",
        frozenset({Permission.READ, Permission.TRADE}),
    )
    url = httpx.URL(vector["url"])
    target, headers = url.raw_path.decode(), vector["headers"]
    async with Simulator(clock=clock) as simulator, client() as http:
        simulator.keys.add(key)
        base = simulator.hosts[exchange][key.environment]

        async def goes_through(target: str, headers: dict[str, str]) -> bool:
            return accepted(
                await http.request(
                    vector["method"], base + target, headers=headers, content=vector["body"]
                )
            )

        assert await goes_through(target, headers)
        # Every character of the query, and of each signed header.
        for at in range(target.find("?") + 1 or len(target), len(target)):
            if target[at] not in "=&":
                assert not await goes_through(changed(target, at), headers), at
        for name, value in headers.items():
            if name.lower() not in UNSIGNED:
                for at in (0, len(value) // 2, len(value) - 2):
                    altered = {**headers, name: changed(value, at)}
                    assert not await goes_through(target, altered), name


def binance_row(answer: Any) -> dict[str, Any]:
    listed = answer["symbols"] if isinstance(answer, dict) else answer
    row: dict[str, Any] = next(
        row
        for row in listed
        if row["symbol"] in ("BTCUSDT", "BTCUSD_PERP", "FILUSD_PERP", "EOSUSDT")
    )
    return row


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("binance-exchangeinfo-fapi.json", "/fapi/v1/exchangeInfo"),
        ("binance-exchangeinfo-dapi.json", "/dapi/v1/exchangeInfo"),
        ("binance-ticker24hr-fapi.json", "/fapi/v1/ticker/24hr"),
        ("binance-ticker24hr-dapi.json", "/dapi/v1/ticker/24hr"),
        ("binance-premiumindex-fapi.json", "/fapi/v1/premiumIndex"),
        ("binance-premiumindex-dapi.json", "/dapi/v1/premiumIndex"),
    ],
)
async def test_public_binance_rows_have_the_recorded_fields_and_types(
    market: Market, name: str, path: str
) -> None:
    theirs = recorded(name)
    ours = (await market.get("binance", path)).json()
    if isinstance(theirs, dict):
        assert set(theirs) - {"timezone"} <= set(ours)
    compare(binance_row(ours), binance_row(theirs))
    if "symbols" in theirs:
        kept = {f["filterType"]: f for f in binance_row(ours)["filters"]}
        for rule in binance_row(theirs)["filters"]:
            if rule["filterType"] in (
                "PRICE_FILTER",
                "LOT_SIZE",
                "MARKET_LOT_SIZE",
                "MIN_NOTIONAL",
            ):
                compare(kept[rule["filterType"]], rule)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("binance-accountconfig-fapi-synthetic.json", "/fapi/v1/accountConfig"),
        ("binance-apirestrictions-synthetic.json", "/sapi/v1/account/apiRestrictions"),
        ("binance-leveragebracket-fapi-synthetic.json", "/fapi/v1/leverageBracket"),
    ],
)
async def test_signed_binance_answers_have_the_recorded_fields_and_types(
    market: Market, name: str, path: str
) -> None:
    theirs = recorded(name)
    ours = (await market.binance("expiring", path)).json()
    if isinstance(theirs, list):
        theirs = next(row for row in theirs if row["symbol"] == "ETHUSDT")
        ours = next(row for row in ours if row["symbol"] == "ETHUSDT")
        compare(ours["brackets"][0], theirs["brackets"][0])
    compare(ours, theirs)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("okx-instruments-swap.json", "/api/v5/public/instruments?instType=SWAP"),
        ("okx-tickers-swap.json", "/api/v5/market/tickers?instType=SWAP"),
        ("okx-mark-price.json", "/api/v5/public/mark-price?instType=SWAP"),
        ("okx-account-config.json", "/api/v5/account/config"),
    ],
)
async def test_okx_answers_have_the_recorded_fields_and_types(
    market: Market, name: str, target: str
) -> None:
    theirs = recorded(name)
    ours = (await market.okx("trade", target)).json()
    compare(ours, theirs)
    compare(ours["data"][0], theirs["data"][0])


@pytest.mark.parametrize("exchange", ["binance", "okx"])
async def test_refusals_have_the_recorded_codes_and_statuses(market: Market, exchange: str) -> None:
    recordings = {case["body"]["code"]: case for case in recorded(f"{exchange}-errors.json")}
    if exchange == "binance":
        path = "/fapi/v1/accountConfig"
        answers = [await market.binance("revoked", path)]
    else:
        path = "/api/v5/account/config"
        answers = [
            await market.okx("revoked", path),
            await market.okx("ip_bound", path),
            await market.okx("trade", path, host="testnet"),
        ]
    market.simulator.faults.set(exchange, "live", "rate_limited")
    answers.append(await market.get(exchange, path))
    for answer in answers:
        case = recordings[answer.json()["code"]]
        assert answer.status_code == case["http"]
        assert set(answer.json()) == set(case["body"])

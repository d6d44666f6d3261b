"""Every place of the API that takes a symbol understands the same spellings of it. Rule R56."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from app.api.schemas import UNDERSTOOD
from app.settings import Role
from tests.support.batches import item
from tests.support.catalogue import OKX, OKX_INVERSE, instrument, list_instruments
from tests.support.positions import SYMBOL, Trader, trader
from tests.support.routes import document_of
from tests.support.world import Json, World

SPELLINGS = ["BTC/USDT:USDT", "btc/usdt:usdt", "XBT/USDT:USDT", "btc-usdt-swap", SYMBOL]
OTHER = "BTC-USDT-OTHER"
Answers = Callable[[Trader, str], Awaitable[httpx.Response]]


def members(schema: Json) -> Iterator[tuple[str, Json]]:
    """Yield the members of a document and of all documents in it."""
    while "$ref" in schema:
        schema = document_of(Role.ALL)["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    own = schema.get("properties", {})
    yield from own.items()
    for each in (*own.values(), *schema.get("anyOf", ()), schema.get("items")):
        if each:
            yield from members(each)


def inputs(operation: Json) -> Iterator[tuple[str, Json]]:
    """Yield the parameters of an operation and the members of its body."""
    for parameter in operation.get("parameters", ()):
        yield parameter.get("name", ""), parameter
    for content in operation.get("requestBody", {}).get("content", {}).values():
        yield from members(content["schema"])


def taken() -> list[tuple[str, Json]]:
    """Return each operation that takes a symbol, with what the document says about that."""
    paths = document_of(Role.ALL)["paths"].values()
    operations = [operation for of_path in paths for operation in of_path.values()]
    return [
        (operation["operationId"], schema)
        for operation in operations
        for name, schema in inputs(operation)
        if "symbol" in name
    ]


async def _listed(trading: Trader, path: str, name: str) -> httpx.Response:
    symbol = quote(name, safe="")
    return await trading.user.get(f"/v1/{path}?environment=testnet&symbol={symbol}")


def _batch(kind: str) -> Answers:
    async def send(trading: Trader, name: str) -> httpx.Response:
        sent = item(kind, name.replace("/", "-"), symbol=name)
        return await trading.bot.post(f"/v1/runtime/{kind}", {"items": [sent]})

    return send


def _of_asset(method: str, body: Any = None, *, escaped: bool = True) -> Answers:
    async def send(trading: Trader, name: str) -> httpx.Response:
        symbol = quote(name, safe="" if escaped else "/:")
        return await trading.user.call(
            method, f"/v1/keys/{trading.key['id']}/assets/{symbol}", body
        )

    return send


async def _add(trading: Trader, name: str) -> httpx.Response:
    await _of_asset("DELETE")(trading, SYMBOL)
    path = f"/v1/keys/{trading.key['id']}/assets"
    return await trading.user.post(path, {"symbol": name, "leverage": "10"})


async def _remove(trading: Trader, name: str) -> httpx.Response:
    await _add(trading, SYMBOL)
    return await _of_asset("DELETE")(trading, name)


async def _position(trading: Trader, name: str) -> httpx.Response:
    return await trading.put("open", name.replace("/", "-"), symbol=name)


async def _orders(trading: Trader, name: str) -> httpx.Response:
    return await trading.bot.put("/v1/runtime/orders", {"orders": [{"symbol": name, "count": 2}]})


PLACES: dict[str, Answers] = {
    "reportOrders": _orders,
    "listFunding": lambda trading, name: _listed(trading, "funding", name),
    "reportFunding": _batch("funding"),
    "listTrades": lambda trading, name: _listed(trading, "trades", name),
    "listSignals": lambda trading, name: _listed(trading, "signals", name),
    "listPositions": lambda trading, name: _listed(trading, "positions", name),
    "getSummary": lambda trading, name: _listed(trading, "analytics/summary", name),
    "addAsset": _add,
    "getAsset": _of_asset("GET"),
    "changeAsset": _of_asset("PATCH", {"leverage": "11"}),
    "removeAsset": _remove,
    "reportPosition": _position,
    "reportTrades": _batch("trades"),
    "reportSignals": _batch("signals"),
}


OF_THE_EXCHANGE = {"sendHeartbeat"}
"""Where a bot passes on a list that the exchange itself wrote."""


def test_each_place_that_takes_a_symbol_is_called_here_and_says_what_it_understands() -> None:
    found = [(name, schema) for name, schema in taken() if name not in OF_THE_EXCHANGE]
    assert {name for name, _ in found} == PLACES.keys()
    assert [name for name, schema in found if UNDERSTOOD not in schema["description"]] == []


async def at_work(world: World) -> Trader:
    """Return a bot that has reported of its one symbol, in the exchange's spelling."""
    trading = await trader(world)
    inverse = instrument("BTC-USD-SWAP", contract_type=OKX_INVERSE.contract_type)
    await list_instruments(world, OKX_INVERSE, inverse)
    for name in ("reportTrades", "reportFunding", "reportSignals", "reportPosition"):
        assert (await PLACES[name](trading, SYMBOL)).status_code == 200
    return trading


@pytest.mark.parametrize("place", [place for place in PLACES if place != "reportPosition"])
async def test_every_spelling_of_a_symbol_is_answered_like_the_exchanges_own(
    world: World, place: str
) -> None:
    trading = await at_work(world)
    if place.endswith("Asset"):
        await trading.report("closed", SYMBOL)
    answers = [await PLACES[place](trading, name) for name in SPELLINGS]
    assert {answer.status_code for answer in answers} == {answers[-1].status_code}
    assert answers[-1].status_code in {200, 201, 204}
    for answer in answers:
        if not answer.content or place in {"reportTrades", "reportFunding", "reportSignals"}:
            continue
        document = answer.json()
        if place == "reportOrders":
            assert document["orders"] == [{"symbol": SYMBOL, "count": 2}]
        elif place == "getSummary":
            assert [each["trades"] for each in document["items"]] == [1]
        else:
            symbols = {each["symbol"] for each in document.get("items", [document])}
            assert symbols == {SYMBOL}


@pytest.mark.parametrize("kind", ["trades", "funding", "signals", "positions"])
async def test_what_is_stored_has_the_exchanges_own_symbol(world: World, kind: str) -> None:
    trading = await at_work(world)
    place = f"report{kind.capitalize()}" if kind != "positions" else "reportPosition"
    for name in SPELLINGS:
        answer = await PLACES[place](trading, name)
        assert answer.status_code == 200, answer.text
        results = answer.json().get("results", [])
        assert {each["status"] for each in results} <= {"stored", "duplicate"}

    found = (await trading.user.get(f"/v1/{kind}?environment=testnet")).json()["items"]

    assert {each["symbol"] for each in found} == {SYMBOL}
    assert len(found) == len(SPELLINGS)


@pytest.mark.parametrize("place", PLACES)
async def test_a_name_of_two_instruments_is_an_error_that_names_both(
    world: World, place: str
) -> None:
    trading = await at_work(world)
    listed = instrument(SYMBOL)
    await list_instruments(world, OKX, listed, replace(listed, symbol=OTHER))

    answer = await PLACES[place](trading, "BTC/USDT:USDT")

    problem = answer.json()
    if "results" in problem:
        (problem,) = problem["results"]
    else:
        assert answer.status_code == 422
        assert problem["symbols"] == [OTHER, SYMBOL]
    assert problem["code"] == "ambiguous_symbol"
    assert f"{OTHER} or {SYMBOL}" in problem["detail"]


async def test_a_slash_in_an_address_may_be_escaped_or_not(world: World) -> None:
    trading = await at_work(world)
    own = (await _of_asset("GET")(trading, SYMBOL)).json()
    for escaped in (True, False):
        answer = await _of_asset("GET", escaped=escaped)(trading, "BTC/USDT:USDT")
        assert (answer.status_code, answer.json()) == (200, own)
    unknown = await _of_asset("GET")(trading, "DOGE/USDT:USDT")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")


async def test_a_search_finds_the_unified_symbol(world: World) -> None:
    trading = await at_work(world)
    for name in ("btc/usdt:usdt", "XBT/USDT:USDT", "BTC/USDT"):
        search = quote(name, safe="")
        path = f"/v1/keys/{trading.key['id']}/instruments?search={search}"
        found = (await trading.user.get(path)).json()
        assert [each["symbol"] for each in found["items"]] == [SYMBOL]


async def test_a_unified_symbol_means_the_instruments_of_all_exchanges(world: World) -> None:
    trading = await at_work(world)
    user = trading.user
    other = await user.add_key(exchange="bybit")
    listing = replace(OKX, exchange="bybit")
    await list_instruments(world, listing, replace(instrument("BTCUSDT"), base="BTC"))
    await trading.report("closed", SYMBOL)
    await trading.unassign()
    await trading.assign(other)
    for name in ("BTCUSDT", "btc/usdt:usdt"):
        assert (await PLACES["reportTrades"](trading, name)).status_code == 200

    async def found(name: str, more: str = "") -> tuple[list[str], int]:
        query = f"environment=testnet&symbol={quote(name, safe='')}{more}"
        symbols: list[str] = []
        cursor = ""
        while cursor is not None:
            page = (await user.get(f"/v1/trades?{query}&limit=2{cursor}")).json()
            symbols += [each["symbol"] for each in page["items"]]
            cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
        summary = (await user.get(f"/v1/analytics/summary?{query}")).json()
        return sorted(symbols), sum(each["trades"] for each in summary["items"])

    assert await found("BTC/USDT:USDT") == ([SYMBOL, "BTCUSDT", "BTCUSDT"], 3)
    assert await found("BTC/USDT:USDT", f"&key_id={other['id']}") == (["BTCUSDT"] * 2, 2)
    assert await found("btcusdt") == (["BTCUSDT"] * 2, 2)
    assert await found(SYMBOL) == ([SYMBOL], 1)

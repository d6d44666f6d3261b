"""WebSockets through the signing proxy: real logins, judged orders, everything else as it is."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

from botkeys.exchanges.model import ContractType
from botkeys.signing_proxy import SigningProxy, market
from tests.sdk.signing_proxy.trading import Holder, asset, config, held

REAL = {"api_key": "real-key", "api_secret": "real-secret", "api_passphrase": "real-passphrase"}


@dataclass
class Venue:
    """An exchange's WebSockets: they note what arrives, and answer with what `answer` returns."""

    url: str = ""
    paths: list[str] = field(default_factory=list)
    received: list[Any] = field(default_factory=list)
    answer: Callable[[Any], str | bytes] = lambda message: json.dumps({"got": message})

    async def handle(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.paths.append(socket.request.path)
        async for text in socket:
            if text == "end":
                await socket.close(4001, "ended")
                return
            message = text if text == "ping" else json.loads(text)
            self.received.append(message)
            await socket.send(self.answer(message))


@pytest_asyncio.fixture
async def venue() -> AsyncIterator[Venue]:
    venue = Venue()
    async with serve(venue.handle, "127.0.0.1", 0) as server:
        venue.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield venue


@asynccontextmanager
async def proxied(
    venue: Venue, exchange: str, hosts: Mapping[str, str | None], symbol: str, size: str = "1"
) -> AsyncIterator[tuple[SigningProxy, Holder]]:
    named = {exchange: {"live": hosts}}
    part = market(exchange, "live", ContractType.LINEAR, hosts=named)
    if exchange == "binance":
        part.hosts["websocket_api_linear"] = venue.url  # type: ignore[index]  # no setting has it
    holder = Holder(
        held(REAL),
        config(exchange, ContractType.LINEAR, asset(symbol, size)),
        exchange=exchange,
    )
    async with SigningProxy(holder, exchange, part, max_order_value=Decimal(1000)) as proxy:
        yield proxy, holder


async def reply_to(socket: ClientConnection, message: Any) -> Any:
    await socket.send(message if isinstance(message, str) else json.dumps(message))
    return json.loads(await socket.recv())


def hexed(text: str) -> str:
    return hmac.new(b"real-secret", text.encode(), hashlib.sha256).hexdigest()


async def test_a_login_at_bybit_is_signed_and_its_orders_are_judged(venue: Venue) -> None:
    order = {"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit"}
    small, large = {**order, "qty": "0.01", "price": "500"}, {**order, "qty": "9", "price": "500"}
    stale = {"X-BAPI-TIMESTAMP": "1"}
    hosts = {"websocket": f"{venue.url}/v5"}
    async with proxied(venue, "bybit", hosts, "BTCUSDT") as (proxy, holder):
        key = proxy.placeholder.api_key
        async with connect(f"{proxy.websocket_address}/v5/trade", proxy=None) as socket:
            early = await reply_to(socket, {"op": "order.create", "args": [small]})
            assert early["botkeysRefused"] == "not_authenticated"
            foreign = await reply_to(socket, {"op": "auth", "args": ["real-key", 1, "x"]})
            assert foreign["success"] is False
            login = await reply_to(socket, {"op": "auth", "req_id": "7", "args": [key, 1, "x"]})
            sent, expires, signature = login["got"]["args"]
            assert (sent, login["got"]["req_id"]) == ("real-key", "7")
            assert signature == hexed(f"GET/realtime{expires}")
            placed = {"op": "order.create", "reqId": "1", "header": stale, "args": [small]}
            taken = (await reply_to(socket, placed))["got"]
            assert taken["args"] == [small]
            assert taken["header"]["X-BAPI-TIMESTAMP"] != "1"
            refused = await reply_to(socket, {"op": "order.create", "reqId": "2", "args": [large]})
            assert (refused["botkeysRefused"], refused["reqId"]) == ("order_too_large", "2")
            assert refused["retCode"] != 0
            holder.given = held({**REAL, "api_key": "next-key"})
            changed = await reply_to(socket, placed)
            assert changed["botkeysRefused"] == "not_authenticated"
            holder.given = held(REAL)
            holder.set(may_open_positions=False)
            frozen = await reply_to(socket, placed)
            assert frozen["botkeysRefused"] == "may_not_open"
            closing = {"op": "order.create", "args": [{**small, "reduceOnly": True}]}
            assert "got" in await reply_to(socket, closing)
            assert "got" in await reply_to(socket, {"op": "order.cancel", "args": [order]})
            unknown = await reply_to(socket, {"op": "withdraw", "args": []})
            assert unknown["botkeysRefused"] == "endpoint_not_allowed"
            batch = {"op": "order.create-batch", "args": [{"category": "spot", "request": [small]}]}
            assert (await reply_to(socket, batch))["botkeysRefused"] == "symbol_not_enabled"
            twice = await reply_to(socket, '{"op":"order.cancel","op":"order.create","args":[{}]}')
            assert twice["botkeysRefused"] == "malformed"
    assert venue.paths == ["/v5/trade"]
    assert [message["op"] for message in venue.received] == [
        "auth",
        "order.create",
        "order.create",
        "order.cancel",
    ]


async def test_a_login_at_okx_is_signed_and_its_orders_are_judged(venue: Venue) -> None:
    order = {"instId": "BTC-USDT-SWAP", "tdMode": "cross", "side": "buy", "ordType": "limit"}
    small, large = {**order, "sz": "1", "px": "500"}, {**order, "sz": "999", "px": "500"}
    hosts = {"websocket": f"{venue.url}/ws/v5"}
    async with proxied(venue, "okx", hosts, "BTC-USDT-SWAP", "0.01") as (proxy, holder):
        login = {"apiKey": proxy.placeholder.api_key, "passphrase": "p", "timestamp": "1"}
        async with connect(f"{proxy.websocket_address}/ws/v5/private", proxy=None) as socket:
            early = await reply_to(socket, {"id": "1", "op": "order", "args": [small]})
            assert (early["id"], early["botkeysRefused"]) == ("1", "not_authenticated")
            foreign = {"op": "login", "args": [{**login, "apiKey": "real-key"}]}
            assert (await reply_to(socket, foreign))["event"] == "error"
            (sent,) = (await reply_to(socket, {"op": "login", "args": [login]}))["got"]["args"]
            assert (sent["apiKey"], sent["passphrase"]) == ("real-key", "real-passphrase")
            text = f"{sent['timestamp']}GET/users/self/verify".encode()
            digest = hmac.new(b"real-secret", text, hashlib.sha256).digest()
            assert sent["sign"] == base64.b64encode(digest).decode()
            placed = {"id": "2", "op": "order", "args": [small]}
            assert (await reply_to(socket, placed))["got"] == placed
            refused = await reply_to(
                socket, {"id": "3", "op": "batch-orders", "args": [small, large]}
            )
            assert refused["botkeysRefused"] == "order_too_large"
            holder.given = held({**REAL, "api_key": "next-key"})
            assert (await reply_to(socket, placed))["botkeysRefused"] == "not_authenticated"
            holder.set(may_open_positions=False)
            holder.given = held(REAL)
            assert (await reply_to(socket, placed))["botkeysRefused"] == "may_not_open"
            holder.given = None
            closing = {"id": "4", "op": "order", "args": [{**small, "reduceOnly": True}]}
            assert (await reply_to(socket, closing))["got"] == closing
            cancel = {"id": "5", "op": "cancel-order", "args": [{"instId": "X", "ordId": "1"}]}
            assert (await reply_to(socket, cancel))["got"] == cancel
            mass = await reply_to(socket, {"id": "6", "op": "mass-cancel", "args": [{}]})
            assert mass["botkeysRefused"] == "endpoint_not_allowed"
            assert (await reply_to(socket, "ping")) == {"got": "ping"}


async def test_each_call_of_binance_s_websocket_is_signed_and_judged(venue: Venue) -> None:
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "0.01"}
    hosts = {"websocket_linear": venue.url}
    async with proxied(venue, "binance", hosts, "BTCUSDT") as (proxy, holder):
        key = {"apiKey": proxy.placeholder.api_key, "timestamp": 1, "signature": "x"}
        url = f"{proxy.websocket_address}/ws-fapi/v1"
        async with connect(url, proxy=None) as socket:
            public = {"id": 1, "method": "ticker.price", "params": {"symbol": "BTCUSDT"}}
            assert (await reply_to(socket, public))["got"] == public
            small = {**order, "price": "500", **key}
            placed = {"id": 2, "method": "order.place", "params": small}
            sent = (await reply_to(socket, placed))["got"]["params"]
            signature = sent.pop("signature")
            text = "&".join(f"{name}={sent[name]}" for name in sorted(sent))
            assert sent["apiKey"] == "real-key"
            assert sent["timestamp"] > 1
            assert signature == hexed(text)
            large = {"id": 3, "method": "order.place", "params": {**small, "quantity": "9"}}
            refused = await reply_to(socket, large)
            assert (refused["id"], refused["error"]["code"]) == (3, -2010)
            bare = {"id": 4, "method": "order.cancel", "params": {"symbol": "BTCUSDT"}}
            assert (await reply_to(socket, bare))["botkeys_refused"] == "not_authenticated"
            other = {"id": 5, "method": "order.cancel", "params": {**key, "apiKey": "real-key"}}
            assert (await reply_to(socket, other))["botkeys_refused"] == "foreign_credentials"
            logon = await reply_to(socket, {"id": 6, "method": "session.logon", "params": key})
            assert logon["botkeys_refused"] == "endpoint_not_allowed"
            holder.set(may_open_positions=False)
            assert (await reply_to(socket, placed))["botkeys_refused"] == "may_not_open"
            closing = {**placed, "params": {**small, "reduceOnly": True}}
            assert "got" in await reply_to(socket, closing)
            unknown = await reply_to(socket, {"id": 7, "method": "asset.transfer", "params": key})
            assert unknown["botkeys_refused"] == "endpoint_not_allowed"


async def test_a_stream_passes_unchanged_and_ends_as_the_exchange_ends_it(venue: Venue) -> None:
    big = json.dumps({"e": "depth", "b": ["9" * 200_000]})
    venue.answer = lambda _: big
    async with (
        proxied(venue, "binance", {"websocket_linear": venue.url}, "BTCUSDT") as (proxy, _),
        connect(
            f"{proxy.websocket_address}/private/ws?listenKey=a_b", proxy=None, max_size=None
        ) as socket,
    ):
        await socket.send('{"method":"SUBSCRIBE","params":["btcusdt@depth"],"id":1}')
        assert await socket.recv() == big
        venue.answer = lambda _: b"\x00\xff"
        await socket.send('{"method":"LIST_SUBSCRIPTIONS","id":2}')
        assert await socket.recv() == b"\x00\xff"
        placing = await reply_to(socket, {"method": "order.place", "id": 3})
        assert placing["botkeys_refused"] == "endpoint_not_allowed"
    assert venue.paths == ["/private/ws?listenKey=a_b"]


async def test_the_exchange_s_code_of_closing_reaches_the_bot(venue: Venue) -> None:
    class Closing(Venue):
        async def handle(self, socket: ServerConnection) -> None:
            await socket.close(4001, "ended")

    closing = Closing()
    async with serve(closing.handle, "127.0.0.1", 0) as server:
        closing.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        hosts = {"websocket": f"{closing.url}/v5"}
        async with proxied(closing, "bybit", hosts, "BTCUSDT") as (proxy, _):
            url = f"{proxy.websocket_address}/v5/private"
            async with connect(url, proxy=None) as socket:
                with pytest.raises(ConnectionClosed) as ended:
                    await socket.recv()
    assert ended.value.rcvd is not None
    assert (ended.value.rcvd.code, ended.value.rcvd.reason) == (4001, "ended")


async def test_a_binary_message_ends_the_connection(venue: Venue) -> None:
    async with (
        proxied(venue, "bybit", {"websocket": f"{venue.url}/v5"}, "BTCUSDT") as (proxy, _),
        connect(f"{proxy.websocket_address}/v5/trade", proxy=None) as socket,
    ):
        await socket.send(b'{"op":"ping"}')
        with pytest.raises(ConnectionClosed):
            await socket.recv()
    assert venue.received == []


@pytest.mark.parametrize(
    "path", ["/v5/../x", "/v5/private/other", "/v5/private?x=1&x=2", "/v4/private", "/"]
)
async def test_no_other_websocket_is_opened(venue: Venue, path: str) -> None:
    async with proxied(venue, "bybit", {"websocket": f"{venue.url}/v5"}, "BTCUSDT") as (proxy, _):
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{proxy.websocket_address}{path}", proxy=None)
    assert refused.value.response.headers["X-Botkeys-Refused"] in {
        "malformed",
        "endpoint_not_allowed",
    }
    assert venue.paths == []

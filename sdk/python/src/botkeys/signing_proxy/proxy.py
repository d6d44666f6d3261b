"""The signing proxy: a bot trades through it without ever holding the key."""

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Self

from botkeys.signing_proxy.canonical import Call, Incoming, read, read_headers, read_target
from botkeys.signing_proxy.dialect import Dialect, Market, Outgoing
from botkeys.signing_proxy.exchanges import DIALECTS
from botkeys.signing_proxy.gate import Gate
from botkeys.signing_proxy.listener import LOOPBACK, Answer, Listener
from botkeys.signing_proxy.placeholder import Placeholder
from botkeys.signing_proxy.prices import Prices
from botkeys.signing_proxy.refusals import Refusal, RefusalCode, malformed
from botkeys.signing_proxy.rules import KeyHolder, Rules
from botkeys.signing_proxy.sockets import SocketRelay, open_at_exchange
from botkeys.signing_proxy.upstream import Upstream
from botkeys.transport.outbound import Outbound

_logger = logging.getLogger("botkeys.signing_proxy")

# What of the bot's own headers reaches the exchange: nothing that identifies or authenticates.
_PASSED = ("accept", "accept-encoding", "user-agent")
_FOREIGN = frozenset({"authorization", "proxy-authorization"})


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SigningProxy:
    """Signs what the rules permit, on a loopback port, from `async with` until its end.

    `holder` is a running `BotClient`. `placeholder` is what the bot gets in place of the key, and
    `address` where it finds the exchange. `max_order_value` limits a single opening order: in the
    quote asset, or in USD for inverse contracts. `outbound` is the way to the exchange: by default
    the one that the environment's variables describe.
    """

    def __init__(
        self,
        holder: KeyHolder,
        exchange: str,
        market: Market,
        *,
        max_order_value: Decimal | None = None,
        outbound: Outbound | None = None,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        if exchange not in DIALECTS:
            raise ValueError(f"{exchange} is not among {', '.join(DIALECTS)}")
        self._dialect: Dialect = DIALECTS[exchange](market, clock)
        self._placeholder = self._dialect.placeholder()
        self._outbound = outbound or Outbound.of_variables(os.environ)
        self._upstream = Upstream(self._outbound)
        rules = Rules(holder, market.contract_type, max_order_value)
        prices = Prices(self._dialect, self._upstream)
        self._gate = Gate(
            holder,
            self._placeholder,
            rules,
            prices.of,
            exchange=exchange,
            environment=market.environment,
        )
        self._listener = Listener(self._handle, self._upgrade)
        self._port = 0

    @property
    def placeholder(self) -> Placeholder:
        return self._placeholder

    @property
    def address(self) -> str:
        return f"http://{LOOPBACK}:{self._port}"

    @property
    def websocket_address(self) -> str:
        return f"ws://{LOOPBACK}:{self._port}"

    @property
    def websocket_base(self) -> str | None:
        """What a bot appends its paths to, as with the exchange's own; `None` if it has none."""
        path = self._dialect.websocket_path
        return None if path is None else f"{self.websocket_address}{path}"

    async def __aenter__(self) -> Self:
        self._port = await self._listener.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._listener.stop()
        await self._upstream.aclose()

    async def _handle(self, incoming: Incoming) -> Answer:
        try:
            call = read(incoming)
            self._check_host(call.headers)
            return await self._forward(call)
        except Refusal as refusal:
            _logger.warning("refused a request: %s", refusal.code)
            return self._refuse(refusal)

    async def _forward(self, call: Call) -> Answer:
        ours = self._is_ours(call)
        route = self._dialect.route(call)
        origin = self._dialect.host(route.host)
        if route.public:
            return await self._send(call, origin, self._dialect.unsigned(call, None))
        if not ours:
            text = "This call needs the API key that the bot was given."
            raise Refusal(RefusalCode.NOT_AUTHENTICATED, text)
        intents = route.reader(call) if route.reader is not None else ()
        await self._gate.admit(intents)
        credentials = await self._gate.credentials()
        if route.signs:
            return await self._send(call, origin, self._dialect.signed(call, credentials))
        return await self._send(call, origin, self._dialect.unsigned(call, credentials.api_key))

    def _is_ours(self, call: Call) -> bool:
        """Return whether a call carries the placeholder. Raises `Refusal` for any other key."""
        claimed = self._dialect.claimed_key(call)
        if _FOREIGN & call.headers.keys():
            raise Refusal(RefusalCode.FOREIGN_CREDENTIALS, "This is not the bot's API key.")
        if claimed is None:
            return False
        self._gate.check_key(claimed)
        return True

    async def _send(self, call: Call, origin: str, outgoing: Outgoing) -> Answer:
        headers = {name: call.headers[name] for name in _PASSED if name in call.headers}
        pairs = [
            (name.encode("ascii"), value.encode("latin-1"))
            for name, value in {**headers, **outgoing.headers}.items()
        ]
        return await self._upstream.send(call.method, origin, outgoing.target, pairs, outgoing.body)

    def _refuse(self, refusal: Refusal) -> Answer:
        status, document = self._dialect.error(refusal)
        body = json.dumps(document).encode()
        headers = [
            (b"content-type", b"application/json;charset=UTF-8"),
            (b"content-length", str(len(body)).encode("ascii")),
            (b"x-botkeys-refused", refusal.code.encode("ascii")),
        ]
        if refusal.code is RefusalCode.MALFORMED:
            # Where it ends may be as doubtful as what it means.
            headers.append((b"connection", b"close"))
        return Answer(status, headers, _once(body), _nothing)

    def _check_host(self, headers: Mapping[str, str]) -> None:
        """Refuse what was meant for another host, as a page in a browser would send it."""
        names = {f"{name}:{self._port}" for name in (LOOPBACK, "localhost")}
        if headers.get("host", "").lower() not in names:
            raise Refusal(RefusalCode.WRONG_HOST, "This request is for another host.")

    async def _upgrade(
        self, incoming: Incoming, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Open the WebSocket that a bot asks for, and relay its messages until it ends."""
        try:
            headers = read_headers(incoming.headers)
            self._check_host(headers)
            if headers.get("upgrade", "").lower() != "websocket" or incoming.method != "GET":
                raise malformed("Only a WebSocket may be asked for.")
            url, make_guard = self._dialect.socket(*read_target(incoming.target))
            exchange = await open_at_exchange(url, self._outbound)
        except Refusal as refusal:
            _logger.warning("refused a WebSocket: %s", refusal.code)
            await self._refuse_upgrade(refusal, writer)
            return
        relay = SocketRelay(make_guard(self._gate), exchange, writer)
        try:
            if relay.accept(incoming):
                await relay.run(reader)
        finally:
            await exchange.close()

    async def _refuse_upgrade(self, refusal: Refusal, writer: asyncio.StreamWriter) -> None:
        answer = self._refuse(refusal)
        lines = [b"HTTP/1.1 %d Refused" % answer.status, b"connection: close"]
        lines += [b"%b: %b" % pair for pair in answer.headers]
        writer.write(b"\r\n".join([*lines, b"", b""]))
        async for chunk in answer.body:
            writer.write(chunk)
        await writer.drain()


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def _nothing() -> None:
    pass

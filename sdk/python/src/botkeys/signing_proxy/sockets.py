"""WebSockets: a bot's messages are judged one by one, the exchange's pass as they are."""

import asyncio
import logging
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI, ProxyError
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from botkeys.signing_proxy.canonical import Incoming
from botkeys.signing_proxy.guard import Guard, ToExchange
from botkeys.signing_proxy.refusals import Refusal, RefusalCode
from botkeys.transport.certificates import rejected_certificate
from botkeys.transport.outbound import Outbound

_MOST_FROM_BOT = 1 << 20
_MOST_FROM_EXCHANGE = 16 << 20
_CHUNK = 64 * 1024
_OPEN_SECONDS = 10.0
_GOING_AWAY, _UNSUPPORTED, _NO_STATUS = 1001, 1003, 1005
_FAILURES = (OSError, InvalidHandshake, InvalidURI, TimeoutError)

# The library's debug log holds whole messages, and so a login with its passphrase.
_silent = logging.getLogger("botkeys.signing_proxy.websockets")
_silent.disabled = True


class SocketRelay:
    """One WebSocket of a bot, and the one that was opened for it at the exchange."""

    def __init__(
        self, guard: Guard, exchange: ClientConnection, writer: asyncio.StreamWriter
    ) -> None:
        self._guard = guard
        self._exchange = exchange
        self._writer = writer
        self._bot = ServerProtocol(max_size=_MOST_FROM_BOT, logger=_silent)
        self._parts: list[bytes] = []

    def accept(self, incoming: Incoming) -> bool:
        """Answer the bot's handshake; return whether it was one."""
        lines = [b"GET %b HTTP/1.1" % incoming.target]
        lines += [b"%b: %b" % (name, value) for name, value in incoming.headers]
        self._bot.receive_data(b"\r\n".join([*lines, b"", b""]))
        request = next(iter(self._bot.events_received()), None)
        if not isinstance(request, Request):
            return False
        self._bot.send_response(self._bot.accept(request))
        self._flush()
        return self._bot.handshake_exc is None

    async def run(self, reader: asyncio.StreamReader) -> None:
        """Relay until either side closes; the other one is closed the same way."""
        down = asyncio.create_task(self._downwards())
        up = asyncio.create_task(self._upwards(reader))
        try:
            await asyncio.wait({down, up}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (down, up):
                task.cancel()
            await asyncio.gather(down, up, return_exceptions=True)
            await self._close()

    async def _downwards(self) -> None:
        """Send what the exchange sends to the bot."""
        with suppress(ConnectionClosed):
            async for message in self._exchange:
                if isinstance(message, str):
                    self._bot.send_text(message.encode())
                else:
                    self._bot.send_binary(message)
                self._flush()
                await self._writer.drain()

    async def _upwards(self, reader: asyncio.StreamReader) -> None:
        """Judge what the bot sends, and send it to the exchange."""
        with suppress(ConnectionClosed):
            while data := await reader.read(_CHUNK):
                self._bot.receive_data(data)
                for event in self._bot.events_received():
                    if isinstance(event, Frame) and not await self._take(event):
                        return
                self._flush()
                await self._writer.drain()

    async def _take(self, frame: Frame) -> bool:
        """Take one frame; return whether the connection goes on."""
        if frame.opcode is Opcode.CLOSE:
            return False
        if frame.opcode is Opcode.BINARY:
            self._bot.send_close(_UNSUPPORTED, "binary messages are not forwarded")
            return False
        if frame.opcode not in {Opcode.TEXT, Opcode.CONT}:
            return True  # the library answers a ping
        self._parts.append(bytes(frame.data))
        if sum(map(len, self._parts)) > _MOST_FROM_BOT:
            return False
        if not frame.fin:
            return True
        whole, self._parts = b"".join(self._parts), []
        verdict = await self._guard.judge(whole.decode("utf-8", "replace"))
        if isinstance(verdict, ToExchange):
            await self._exchange.send(verdict.text)
        else:
            self._bot.send_text(verdict.text.encode())
            self._flush()
        return True

    async def _close(self) -> None:
        code, reason = self._exchange.close_code, self._exchange.close_reason or ""
        with suppress(Exception):  # either side may have gone, in any state
            if self._bot.close_expected() or self._bot.close_code is None:
                if code is None or code == _NO_STATUS or not 1000 <= code < 5000:
                    self._bot.send_close(_GOING_AWAY)
                else:
                    self._bot.send_close(code, reason)
        self._flush()
        with suppress(ConnectionError):
            await self._writer.drain()
        await self._exchange.close()

    def _flush(self) -> None:
        for data in self._bot.data_to_send():
            if data:
                self._writer.write(data)


async def open_at_exchange(url: str, outbound: Outbound) -> ClientConnection:
    """Open a WebSocket at the exchange. Raises `Refusal`."""
    parts = urlsplit(url)
    options: dict[str, Any] = {"ssl": outbound.tls if parts.scheme == "wss" else None}
    proxy = outbound.proxy_for(parts.scheme, parts.hostname or "")
    address = None if proxy is None else proxy.reveal()
    if address is not None and address.startswith("https:"):
        options["proxy_ssl"] = outbound.tls
    text = "The exchange does not accept the WebSocket."
    try:
        return await connect(
            url,
            **options,
            proxy=address,
            user_agent_header="botkeys",
            open_timeout=_OPEN_SECONDS,
            ping_interval=None,  # the exchanges send their own
            max_size=_MOST_FROM_EXCHANGE,
            logger=_silent,
        )
    except ProxyError:
        text = "The proxy of BOTKEYS_HTTPS_PROXY opens no way to the exchange."
    except _FAILURES as error:
        rejected = rejected_certificate(error)
        if rejected is not None:
            text = f"The exchange cannot be asked: {rejected}"
    raise Refusal(RefusalCode.EXCHANGE_UNREACHABLE, text)

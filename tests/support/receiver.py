"""A receiver of webhooks on loopback, with TLS or without, that answers as a test wants."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.support.tls_front import Certificate


@dataclass(slots=True)
class Arrived:
    """A request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes
    sni: str | None = None


Answer = Callable[[Arrived, asyncio.StreamWriter], Awaitable[None]]


def status(code: int, *headers: str, body: bytes = b"ok") -> Answer:
    """Return what answers with this status, and headers such as `Retry-After: 5`."""

    async def answer(_: Arrived, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {code} So", *headers, f"Content-Length: {len(body)}", "", ""]
        writer.write("\r\n".join(lines).encode() + body)
        await writer.drain()

    return answer


async def hang(_: Arrived, __: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.Event().wait()


@dataclass(slots=True)
class Receiver:
    """What arrived, in order, and how the paths are answered; with 200 by default."""

    port: int = 0
    arrived: list[Arrived] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    connections: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self, number: int, seconds: float = 20) -> list[Arrived]:
        """Return the requests once there are so many."""
        async with asyncio.timeout(seconds):
            while len(self.arrived) < number:
                self.news.clear()
                await self.news.wait()
        return self.arrived


@asynccontextmanager
async def receiver(
    certificate: Certificate | None = None, address: str = "127.0.0.1"
) -> AsyncIterator[Receiver]:
    """Yield a receiver that listens on a port of loopback."""
    running = Receiver()
    names: dict[int, str | None] = {}
    tls = None
    if certificate is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate.certificate, certificate.key)
        tls.sni_callback = lambda made, name, _: names.__setitem__(id(made), name)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        running.connections += 1
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = dict(line.split(": ", 1) for line in head[1:] if line)
                headers = {name.lower(): value for name, value in headers.items()}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                sni = names.get(id(writer.get_extra_info("ssl_object")))
                one = Arrived(head[0].split(" ")[1], headers, body, sni)
                running.arrived.append(one)
                running.news.set()
                await running.answers.get(one.path.partition("?")[0], status(200))(one, writer)
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(serve, address, 0, ssl=tls, backlog=1024)
    running.port = server.sockets[0].getsockname()[1]
    try:
        yield running
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await asyncio.sleep(0)  # in which closed connections end

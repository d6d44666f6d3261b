"""What stands outside of this machine in production: TLS hosts, and a proxy before them."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress

from tests.support.tls_front import Certificate

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

Answers = Mapping[str, bytes]
"""JSON documents by path."""


class ForwardProxy:
    """A proxy that opens tunnels, and records what it sees of them.

    `routes` maps the names and ports that it serves to loopback ports. `answer` is sent in place of
    a tunnel; with `hangs`, nothing is.
    """

    def __init__(self, routes: Mapping[str, int]) -> None:
        self.routes = dict(routes)
        self.answer: bytes | None = None
        self.hangs = False
        self.asked: list[str] = []
        self.heads: list[bytes] = []
        self.seen = bytearray()
        self.port = 0

    def url(self, login: str = "", scheme: str = "http") -> str:
        return f"{scheme}://{login}127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            target = head.split(b" ")[1].decode()
            self.asked.append(target)
            if self.hangs:
                await asyncio.sleep(30)
            if self.answer is not None or target not in self.routes:
                writer.write(self.answer or b"HTTP/1.1 403 Forbidden\r\n\r\n")
            else:
                behind = await asyncio.open_connection("127.0.0.1", self.routes[target])
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
                try:
                    await asyncio.gather(
                        self._pass(reader, behind[1]), self._pass(behind[0], writer)
                    )
                finally:
                    behind[1].close()
            await writer.drain()
        writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            self.seen += data
            writer.write(data)
        writer.close()


@asynccontextmanager
async def forward_proxy(
    routes: Mapping[str, int], certificate: Certificate | None = None
) -> AsyncIterator[ForwardProxy]:
    """Yield a proxy, which speaks TLS itself if it has a certificate."""
    proxy = ForwardProxy(routes)
    context = None if certificate is None else server_context(certificate)
    async with _served(proxy.serve, context) as proxy.port:
        yield proxy


@asynccontextmanager
async def tls_host(certificate: Certificate, answers: Answers) -> AsyncIterator[int]:
    """Yield the loopback port of a host that answers with these documents, and 404 otherwise."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                path = head.split(b" ")[1].decode().partition("?")[0]
                body = answers.get(path)
                status = b"404 Not Found" if body is None else b"200 OK"
                writer.write(
                    b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                    % (status, len(body or b""), body or b"")
                )
        writer.close()

    async with _served(serve, server_context(certificate)) as port:
        yield port


def server_context(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.certificate, certificate.key)
    return context


@asynccontextmanager
async def _served(serve: Serve, context: ssl.SSLContext | None) -> AsyncIterator[int]:
    tasks: set[asyncio.Task[None]] = set()

    async def recorded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await serve(reader, writer)
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(recorded, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # in which closed connections end

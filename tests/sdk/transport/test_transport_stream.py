"""Responses that arrive piece by piece, from a raw loopback server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import httpx
import pytest

from botkeys.transport.client import (
    AnswerTooLarge,
    HttpTransport,
    Redirected,
    TimedOut,
    TransportError,
    TransportLimits,
    Unreachable,
    Unsendable,
)
from tests.sdk.client.skipping import now, skipping

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


class Server:
    """Sends the next piece whenever it is put into `pieces`; `b""` disconnects."""

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[bytes] = asyncio.Queue()
        self.head = b""
        self.hung_up = asyncio.Event()
        self.url = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:  # it did not even have the time to send a request
            writer.close()
            return
        watch = asyncio.ensure_future(reader.read())
        watch.add_done_callback(lambda _: self.hung_up.set())
        with suppress(ConnectionError):
            while piece := await self.pieces.get():
                writer.write(piece)
                await writer.drain()
        watch.cancel()
        writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    listening = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    yield server
    server.pieces.put_nowait(b"")
    listening.close()


@pytest.fixture
async def http() -> AsyncIterator[HttpTransport]:
    limits = TransportLimits(connect_timeout=60, total_timeout=60, max_answer_bytes=10)
    async with HttpTransport(limits) as client:
        yield client


async def read_all(http: HttpTransport, server: Server, *, idle_timeout: float) -> list[bytes]:
    async with http.stream(server.url, idle_timeout=idle_timeout) as stream:
        return [piece async for piece in stream.chunks()]


async def test_pieces_are_given_as_they_come_beyond_the_size_of_a_whole_answer(
    server: Server, http: HttpTransport
) -> None:
    server.pieces.put_nowait(HEAD)
    seen = []
    async with http.stream(server.url, headers={"Last-Event-ID": "7"}, idle_timeout=60) as stream:
        assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream")
        server.pieces.put_nowait(chunk(b"one"))
        async for piece in stream.chunks():
            seen.append(piece)
            server.pieces.put_nowait(chunk(b"two two two") if len(seen) < 3 else b"0\r\n\r\n")
    assert seen == [b"one", b"two two two", b"two two two"]
    assert b"last-event-id: 7\r\n" in server.head.lower()
    assert b"accept-encoding: identity\r\n" in server.head.lower()


def test_a_stream_outlives_the_time_of_a_whole_call() -> None:
    pause = 40

    class Pieces(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for piece in (b"one", b"two", b"three"):
                await asyncio.sleep(pause)
                yield piece

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=Pieces())

    async def work() -> None:
        limits = TransportLimits(total_timeout=pause / 2)
        async with (
            HttpTransport(limits, transport=httpx.MockTransport(answer)) as http,
            http.stream("http://host.test", idle_timeout=60) as stream,
        ):
            assert [piece async for piece in stream.chunks()] == [b"one", b"two", b"three"]
        assert now() == 3 * pause

    skipping(work)


async def test_leaving_the_block_hangs_up(server: Server, http: HttpTransport) -> None:
    server.pieces.put_nowait(HEAD + chunk(b"one"))
    async with http.stream(server.url, idle_timeout=60) as stream:
        async for _ in stream.chunks():
            break
    async with asyncio.timeout(60):
        await server.hung_up.wait()


async def test_a_cancelled_reader_hangs_up(server: Server, http: HttpTransport) -> None:
    reading = asyncio.Event()

    async def read() -> None:
        async with http.stream(server.url, idle_timeout=60) as stream:
            async for _ in stream.chunks():
                reading.set()

    server.pieces.put_nowait(HEAD + chunk(b"one"))
    task = asyncio.create_task(read())
    await reading.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(60):
        await server.hung_up.wait()


async def test_silence_beyond_the_limit_is_a_time_out(server: Server, http: HttpTransport) -> None:
    server.pieces.put_nowait(HEAD)
    with pytest.raises(TimedOut):
        await read_all(http, server, idle_timeout=0.05)


async def test_a_stream_that_is_cut_off_is_unreachable(server: Server, http: HttpTransport) -> None:
    for piece in (HEAD + b"5\r\non", b""):
        server.pieces.put_nowait(piece)
    with pytest.raises(Unreachable) as caught:
        await read_all(http, server, idle_timeout=60)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", Redirected),
        (b"nonsense\r\n\r\n", Unreachable),
        (b"", Unreachable),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\n1", AnswerTooLarge),
        (b"HTTP/1.1 500 No\r\nContent-Length: 11\r\n\r\n12345678901", AnswerTooLarge),
    ],
    ids=["redirect", "no http", "hung up", "encoding", "too large"],
)
async def test_what_is_no_stream_is_a_typed_error(
    reply: bytes, error: type[TransportError], server: Server, http: HttpTransport
) -> None:
    server.pieces.put_nowait(reply)
    with pytest.raises(error):
        async with http.stream(server.url, idle_timeout=60) as stream:
            await stream.answer()


async def test_a_header_that_cannot_be_sent_is_refused_without_its_text(
    http: HttpTransport,
) -> None:
    with pytest.raises(Unsendable) as caught:
        async with http.stream("http://127.0.0.1:9", headers={"A": "sécret"}, idle_timeout=60):
            pass
    assert caught.value.__context__ is None
    assert "cret" not in str(caught.value)


async def test_a_refusal_is_read_whole(server: Server, http: HttpTransport) -> None:
    server.pieces.put_nowait(b"HTTP/1.1 401 No\r\nContent-Length: 4\r\n\r\nnope")
    async with http.stream(server.url, idle_timeout=60) as stream:
        answer = await stream.answer()
    assert (answer.status, answer.body) == (401, b"nope")


async def test_the_callers_own_error_passes_through(server: Server, http: HttpTransport) -> None:
    server.pieces.put_nowait(HEAD)
    with pytest.raises(LookupError):
        async with http.stream(server.url, idle_timeout=60):
            raise LookupError

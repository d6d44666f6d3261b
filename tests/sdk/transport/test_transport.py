"""The transport against a raw loopback server: what goes over the wire, byte for byte."""

import asyncio
import gzip
import logging
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from botkeys.transport import client as transport
from botkeys.transport.client import CircuitRule, HttpTransport, TransportLimits

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
SIGNATURE = "5ecre7516na7ure"
PATIENT = TransportLimits(connect_timeout=30, read_timeout=30, total_timeout=60)
"""No test here concerns time: see test_transport_time.py."""


class RawServer:
    """Responds to each request with the next prepared bytes, then repeats the last ones."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.replies: list[bytes] = [OK]
        self.open_now = 0
        self.most_open = 0
        self.opened = asyncio.Condition()
        self.released = asyncio.Event()
        self.released.set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def reach(self, number: int) -> None:
        """Wait until that many requests are in flight at once."""
        async with self.opened:
            await self.opened.wait_for(lambda: self.open_now >= number)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            self.open_now += 1
            self.most_open = max(self.most_open, self.open_now)
            async with self.opened:
                self.opened.notify_all()
            await self.released.wait()
            reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
            writer.write(reply)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open_now -= 1
            writer.close()


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    raw = RawServer()
    listening = await asyncio.start_server(raw.handle, "127.0.0.1", 0)
    raw.port = listening.sockets[0].getsockname()[1]
    yield raw
    listening.close()


@pytest.fixture
async def http() -> AsyncIterator[HttpTransport]:
    async with HttpTransport(PATIENT) as client:
        yield client


class QuerySigner(transport.Auth):
    def __init__(self) -> None:
        self.signed: list[str] = []

    def auth_flow(self, request: transport.Request) -> transport.AuthFlow:
        self.signed.append(transport.target_of(request))
        transport.set_target(request, f"{self.signed[-1]}&signature={SIGNATURE}")
        yield request


@pytest.mark.parametrize(
    "target",
    [
        "/v5/list?cursor=first%3DBIO%26last%3DBTC&limit=1000",
        "/a?plus=1+1&comma=a,b&lower=%2f&upper=%2F&twice=%252F",
        "/a?odd='()*!~:@/?$;[]",
        "/a//b?empty=&flag&=x",
    ],
)
async def test_what_is_signed_is_what_is_sent(
    server: RawServer, http: HttpTransport, target: str
) -> None:
    signer = QuerySigner()
    await http.request("GET", server.url + target, auth=signer)
    sent = server.heads[0].split(b" ")[1].decode()
    assert sent == f"{signer.signed[0]}&signature={SIGNATURE}"
    assert signer.signed[0] == target


async def test_a_target_that_would_be_escaped_after_signing_is_not_sent(
    server: RawServer, http: HttpTransport
) -> None:
    class Careless(transport.Auth):
        def auth_flow(self, request: transport.Request) -> transport.AuthFlow:
            transport.set_target(request, '/a?json={"a": 1}')
            yield request

    with pytest.raises(ValueError, match="escaped"):
        await http.request("GET", server.url + "/a", auth=Careless())
    assert server.heads == []


async def test_no_log_record_holds_a_signature(
    server: RawServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "httpcore.http11", "httpcore.connection"):
        caplog.set_level(logging.DEBUG, logger=name)
    server.replies = [BUSY, OK]
    async with HttpTransport(PATIENT) as client:
        await client.request("GET", server.url + "/a?b=c", auth=QuerySigner())
    assert SIGNATURE in server.heads[1].decode()
    assert SIGNATURE not in caplog.text
    assert all(SIGNATURE not in str(vars(record)) for record in caplog.records)


async def test_an_error_holds_neither_address_nor_request(http: HttpTransport) -> None:
    with pytest.raises(transport.Unreachable) as caught:
        await http.request("GET", "http://127.0.0.1:1/a?b=c", auth=QuerySigner())
    assert SIGNATURE not in repr(caught.value)
    assert caught.value.cause == "ConnectError"
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


async def test_a_header_that_is_not_ascii_is_refused_without_its_text(
    server: RawServer, http: HttpTransport
) -> None:
    with pytest.raises(transport.Unsendable) as caught:
        await http.request("GET", server.url, headers={"X-Key": "schlüssel"})
    assert "schl" not in repr(caught.value)
    assert caught.value.__context__ is None


async def test_a_header_cannot_smuggle_another(server: RawServer, http: HttpTransport) -> None:
    with pytest.raises(transport.Unsendable):
        await http.request("GET", server.url, headers={"X-Key": "a\r\nX-Other: b"})
    assert server.heads == []


async def test_a_safe_call_is_repeated_and_signed_again(
    server: RawServer, http: HttpTransport
) -> None:
    server.replies = [BUSY, BUSY, OK]
    signer = QuerySigner()
    answer = await http.request("GET", server.url + "/a?b=c", auth=signer)
    assert answer.status == 200
    assert len(signer.signed) == 3


async def test_a_call_with_effects_is_never_repeated(
    server: RawServer, http: HttpTransport
) -> None:
    server.replies = [BUSY, OK]
    answer = await http.request("POST", server.url + "/a", content=b"{}")
    assert answer.status == 503
    assert len(server.heads) == 1


async def test_after_the_last_try_the_answer_itself_is_given(
    server: RawServer, http: HttpTransport
) -> None:
    server.replies = [BUSY]
    answer = await http.request("GET", server.url)
    assert (answer.status, len(server.heads)) == (503, PATIENT.attempts)


async def test_a_rate_limit_without_a_time_is_not_hammered(
    server: RawServer, http: HttpTransport
) -> None:
    server.replies = [b"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n", OK]
    assert (await http.request("GET", server.url)).status == 429
    assert len(server.heads) == 1


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"220 mail.example ESMTP\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 20\r\n\r\n"
        + gzip.compress(b"[1, 2, 3, 4]", mtime=0)[:20],
    ],
)
async def test_a_broken_answer_is_unreachable(
    server: RawServer, http: HttpTransport, reply: bytes
) -> None:
    server.replies = [reply]
    with pytest.raises(transport.Unreachable):
        await http.request("GET", server.url)


async def test_gzip_is_unpacked(server: RawServer, http: HttpTransport) -> None:
    packed = gzip.compress(b"[1, 2]")
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    server.replies = [head.encode() + packed]
    assert (await http.request("GET", server.url)).body == b"[1, 2]"


@pytest.mark.parametrize("packed", [False, True])
async def test_an_answer_over_the_limit_is_refused(server: RawServer, *, packed: bool) -> None:
    body = b"a" * 2_000
    encoding = ""
    if packed:
        body, encoding = gzip.compress(body), "Content-Encoding: gzip\r\n"
    head = f"HTTP/1.1 200 OK\r\n{encoding}Content-Length: {len(body)}\r\n\r\n"
    server.replies = [head.encode() + body]
    async with HttpTransport(replace(PATIENT, max_answer_bytes=1_999)) as client:
        with pytest.raises(transport.AnswerTooLarge):
            await client.request("GET", server.url)
    async with HttpTransport(replace(PATIENT, max_answer_bytes=2_000)) as client:
        assert (await client.request("GET", server.url)).body == b"a" * 2_000


async def test_a_redirect_is_not_followed(server: RawServer, http: HttpTransport) -> None:
    server.replies = [
        b"HTTP/1.1 302 Found\r\nLocation: http://localhost:1/\r\nContent-Length: 0\r\n\r\n"
    ]
    with pytest.raises(transport.Redirected):
        await http.request("GET", server.url, headers={"X-Key": "k"})
    assert len(server.heads) == 1


async def test_cookies_are_not_kept(server: RawServer, http: HttpTransport) -> None:
    server.replies = [b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n"]
    await http.request("GET", server.url)
    await http.request("GET", server.url)
    assert b"cookie" not in server.heads[1].lower()


async def test_the_environments_proxy_is_not_used(
    server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with HttpTransport(PATIENT) as client:
        assert (await client.request("GET", server.url)).status == 200


async def test_one_host_is_never_asked_by_more_than_the_limit_at_once(server: RawServer) -> None:
    server.released.clear()
    limits = replace(PATIENT, concurrency_per_host=2)
    async with HttpTransport(limits) as client, asyncio.TaskGroup() as group:
        for _ in range(6):
            group.create_task(client.request("GET", server.url))
        await server.reach(2)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(server.reach(3), 0.2)
        server.released.set()
    assert (server.most_open, len(server.heads)) == (2, 6)


async def test_headers_are_found_in_any_case_and_an_answer_shows_no_body(
    server: RawServer, http: HttpTransport
) -> None:
    server.replies = [b"HTTP/1.1 200 OK\r\nX-Used: 7\r\nContent-Length: 6\r\n\r\nsecret"]
    answer = await http.request("GET", server.url)
    assert answer.headers["x-USED"] == "7"
    assert "secret" not in repr(answer)


TOUCHY = replace(PATIENT, attempts=1, circuit=CircuitRule(failures=3))


async def test_another_host_is_not_held_responsible(server: RawServer) -> None:
    async with HttpTransport(TOUCHY) as client:
        for _ in range(4):
            with pytest.raises(transport.Unreachable):
                await client.request("GET", "http://127.0.0.1:1/")
        assert (await client.request("GET", server.url)).status == 200


async def test_refusals_and_rate_limits_open_no_circuit(server: RawServer) -> None:
    server.replies = [b"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n"]
    async with HttpTransport(TOUCHY) as client:
        for _ in range(6):
            assert (await client.request("GET", server.url)).status == 429

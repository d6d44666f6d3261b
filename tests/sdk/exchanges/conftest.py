"""A stand-in for an exchange: a loopback server that returns prepared bytes by path."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from botkeys.exchanges.base import Context, _payload
from botkeys.exchanges.errors import ExchangeError
from botkeys.exchanges.hosts import HostOverrides
from botkeys.exchanges.model import Environment
from botkeys.exchanges.registry import ADAPTERS, Exchanges, simulated_hosts
from botkeys.transport.client import CircuitRule, HttpAnswer, HttpTransport, Rate, TransportLimits

FIXTURES = Path(__file__).parent / "fixtures"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass
class Reply:
    """A prepared response. `cut` bytes are announced but missing; `silent` sends nothing."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0
    silent: bool = False

    @classmethod
    def of(cls, content: object, status: int = 200) -> "Reply":
        return cls(status, json.dumps(content).encode())


@dataclass
class Received:
    method: str
    target: str
    headers: dict[str, str]
    body: str = ""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


class FakeExchange:
    """`routes` has responses by path with query, else by path; `fault`, while set, replaces all."""

    def __init__(self) -> None:
        self.routes: dict[str, Reply] = {}
        self.fault: Reply | None = None
        self.received: list[Received] = []
        self.url = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, target, _ = head[0].split(" ")
            pairs = [line.partition(": ") for line in head[1:] if line]
            headers = {name.lower(): text for name, _, text in pairs}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            received = Received(method, target, headers, body.decode())
            self.received.append(received)
            reply = self.fault or self.reply(received) or Reply(404, b"<html>")
            if reply.silent:
                await reader.read()  # until the client disconnects
            lines = [f"HTTP/1.1 {reply.status} X", f"Content-Length: {len(reply.body)}"]
            lines += [f"{name}: {text}" for name, text in reply.headers.items()]
            sent = reply.body[: len(reply.body) - reply.cut]
            writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode() + sent)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def reply(self, received: Received) -> Reply | None:
        return self.routes.get(received.target) or self.routes.get(received.path)

    @contextmanager
    def failing(self, fault: Reply) -> Iterator[None]:
        self.fault = fault
        try:
            yield
        finally:
            self.fault = None

    def asked(self, path: str) -> list[Received]:
        return [request for request in self.received if request.path == path]


class UnhurriedTransport(HttpTransport):
    """Ignores the exchanges' rate limits, since the stand-in has none."""

    def set_rate(self, url: str, rate: Rate) -> None:
        pass


@pytest.fixture
async def fake() -> AsyncIterator[FakeExchange]:
    server = FakeExchange()
    listening = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    yield server
    listening.close()


class MemoryTransport(HttpTransport):
    """Responds from a stand-in's routes without a network, for tests with a thousand calls."""

    def __init__(self, fake: FakeExchange) -> None:
        self._fake = fake

    def set_rate(self, url: str, rate: Rate) -> None:
        pass

    def hold(self, url: str, seconds: float, *, signed_too: bool = False) -> None:
        pass

    async def request(self, method: str, url: str, **_: object) -> HttpAnswer:
        received = Received(method, "/" + url.partition("://")[2].partition("/")[2], {})
        reply = self._fake.reply(received) or Reply(404, b"<html>")
        self._fake.received.append(received)
        return HttpAnswer(reply.status, reply.headers, reply.body)


PATIENCE = 8
"""Seconds. A caller that would have to wait longer gets the error at once."""

LIMITS = TransportLimits(
    connect_timeout=PATIENCE,
    read_timeout=PATIENCE,
    total_timeout=PATIENCE,
    attempts=1,
    max_answer_bytes=200_000,
    rate_per_host=Rate(10_000, 1),
    circuit=CircuitRule(failures=10_000),  # tests produce one fault after another
)


@pytest.fixture(scope="session")
async def http() -> AsyncIterator[HttpTransport]:
    async with UnhurriedTransport(LIMITS) as transport:
        yield transport


@pytest.fixture
def sample() -> Callable[[str], dict[str, Any]]:
    """Return `sample("okx")`: responses made from the field lists, and expected values."""

    def load(exchange: str) -> dict[str, Any]:
        text = (FIXTURES / f"{exchange}.json").read_text(encoding="utf-8")
        return cast("dict[str, Any]", json.loads(text))

    return load


@pytest.fixture
def hosts_at() -> Callable[[str | None], HostOverrides]:
    """Return `hosts_at(url)`, which maps every host of every exchange to the URL, or to no host."""

    def hosts(url: str | None) -> HostOverrides:
        if url is None:
            return simulated_hosts({})
        everywhere = {environment.value: url for environment in Environment}
        return simulated_hosts(dict.fromkeys(ADAPTERS, everywhere))

    return hosts


@pytest.fixture
def exchanges(
    http: HttpTransport, fake: FakeExchange, hosts_at: Callable[[str], HostOverrides]
) -> Exchanges:
    http._gates.clear()  # a reused port may still be blocked for calls
    return Exchanges(http, clock=lambda: NOW, hosts=hosts_at(fake.url), check_seconds=PATIENCE)


@pytest.fixture(scope="session")
async def impatient_http() -> AsyncIterator[HttpTransport]:
    async with UnhurriedTransport(replace(LIMITS, read_timeout=0.02)) as transport:
        yield transport


@pytest.fixture
def impatient(
    impatient_http: HttpTransport, fake: FakeExchange, hosts_at: Callable[[str], HostOverrides]
) -> Exchanges:
    """Provide exchanges with a stand-in that never responds, and a short timeout."""
    http = impatient_http
    http._gates.clear()  # as above
    return Exchanges(http, clock=lambda: NOW, hosts=hosts_at(fake.url), check_seconds=PATIENCE)


@pytest.fixture
def remembered(fake: FakeExchange, hosts_at: Callable[[str], HostOverrides]) -> Exchanges:
    """Provide the same as `exchanges`, without a network."""
    hosts = hosts_at("http://127.0.0.1:1")
    return Exchanges(MemoryTransport(fake), clock=lambda: NOW, hosts=hosts)


@pytest.fixture
def error_for(http: HttpTransport) -> Callable[[str, int, bytes], type[ExchangeError] | None]:
    """Return `error_for("okx", 401, body)`: the adapter's error for a signed call's response."""

    def classified(exchange: str, status: int, body: bytes) -> type[ExchangeError] | None:
        adapter = ADAPTERS[exchange](Context(http, lambda: NOW))
        try:
            answer = HttpAnswer(status, {}, body)
            adapter._read(answer, _payload(answer), signed=True)
        except ExchangeError as error:
            return type(error)
        return None

    return classified


@pytest.fixture
def make_reply() -> type[Reply]:
    return Reply


@pytest.fixture
def reply_of() -> Callable[..., Reply]:
    return Reply.of


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder with reference data outside this repository; tests skip without it."""
    beside = Path(__file__).parents[4] / "shared" / "exchanges"
    folder = Path(os.environ.get("EXCHANGE_REFERENCE", beside))
    if not folder.is_dir():
        pytest.skip("the exchanges' reference data are not beside this repository")
    return folder

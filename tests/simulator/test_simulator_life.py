"""Start and stop of the simulator, and its behaviour as a guest in the service's process."""

import ast
import asyncio
import logging
import signal
import time
from pathlib import Path

import httpx
import pytest

import app.simulator
from app.simulator import Faults, Simulator
from app.simulator.faults import Fault
from app.simulator.http_server import MAX_BODY
from app.simulator.ids import places
from app.simulator.venues import VENUES
from tests.simulator.conftest import KEYS, Market, client

PACKAGE = Path(app.simulator.__file__).parent


async def connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    url = httpx.URL(address)
    return await asyncio.open_connection(url.host, url.port)


async def ending(reader: asyncio.StreamReader) -> bytes:
    """Return what still arrives before the connection ends, however it ends."""
    try:
        return await asyncio.wait_for(reader.read(), 60)
    except ConnectionError:
        return b""


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    try:
        await writer.wait_closed()
    except ConnectionError:
        return


class SeenFaults(Faults):
    """Signals when a fault has reached a caller."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = asyncio.Event()

    def take(self, exchange: str, environment: str, path: str) -> Fault | None:
        fault = super().take(exchange, environment, path)
        if fault is not None:
            self.seen.set()
        return fault


async def test_it_stops_at_once_with_callers_waiting() -> None:
    faults = SeenFaults()
    async with client() as http:
        async with Simulator(faults=faults) as simulator:
            host = simulator.hosts["binance"]["live"]
            assert (await http.get(host + "/fapi/v1/time")).status_code == 200
            idle, idle_writer = await connect(host)
            faults.set("binance", "live", "slow", seconds=3600)
            slow = asyncio.create_task(http.get(host + "/fapi/v1/time", timeout=3600))
            await faults.seen.wait()
            began = time.perf_counter()
        assert time.perf_counter() - began < 60
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await slow
        assert await ending(idle) == b""
        await hang_up(idle_writer)


async def test_a_stopped_port_is_closed_and_hosts_are_forgotten() -> None:
    async with Simulator() as simulator:
        host = simulator.hosts["okx"]["live"]
        assert set(simulator.hosts) == set(VENUES)
    assert simulator.hosts == {}
    with pytest.raises(OSError, match=r".+"):
        await connect(host)


async def test_two_simulators_run_side_by_side() -> None:
    async with Simulator() as one, Simulator() as other:
        ports = {
            host for sim in (one, other) for env in sim.hosts.values() for host in env.values()
        }
        assert len(ports) == 2 * sum(
            1 if venue.one_port else len(places(exchange)) for exchange, venue in VENUES.items()
        )
        assert all(port.startswith("http://127.0.0.1:") for port in ports)


async def test_it_takes_no_signal_and_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    async with Simulator() as simulator:
        assert {number: signal.getsignal(number) for number in before} == before
        reader, writer = await connect(simulator.hosts["okx"]["live"])
        key = KEYS["okx"]["live"]["trade"]["api_key"]
        head = f"GET /api/v5/account/config HTTP/1.1\r\nOK-ACCESS-KEY: {key}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode())
        assert b"50104" in await reader.read()
        await hang_up(writer)
    ours = [r for r in caplog.records if r.name.startswith(("app.simulator", "asyncio"))]
    assert [r.getMessage() for r in ours if "selector" not in r.getMessage()] == []


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY * 2) + b"x" * (MAX_BODY + 1),
    ],
)
async def test_nonsense_on_the_wire_ends_its_connection_and_nothing_else(
    market: Market, nonsense: bytes
) -> None:
    host = market.simulator.hosts["okx"]["live"]
    reader, writer = await connect(host)
    writer.write(nonsense)
    answer = await ending(reader)
    assert not answer.startswith(b"HTTP/1.1 200")
    await hang_up(writer)
    assert (await market.get("okx", "/api/v5/public/time")).status_code == 200


async def test_requests_that_arrive_together_are_answered_in_turn(market: Market) -> None:
    reader, writer = await connect(market.simulator.hosts["okx"]["live"])
    one = b"GET /api/v5/public/time HTTP/1.1\r\nHost: x\r\n"
    writer.write(one + b"\r\n" + one + b"Connection: close\r\n\r\n")
    assert (await reader.read()).count(b"HTTP/1.1 200 OK") == 2
    await hang_up(writer)


async def test_a_request_in_single_bytes_is_understood(market: Market) -> None:
    reader, writer = await connect(market.simulator.hosts["okx"]["live"])
    request = b"GET /api/v5/public/time HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    for at in range(len(request)):
        writer.write(request[at : at + 1])
        await writer.drain()
    assert b'"code":"0"' in await reader.read()
    await hang_up(writer)


async def test_a_flaw_of_the_simulator_is_a_500_and_logs_no_content(
    market: Market, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(exchange: str, environment: str, api_key: str) -> None:
        raise LookupError(exchange, environment, api_key)

    monkeypatch.setattr(market.simulator.keys, "find", broken)
    response = await market.okx("trade", "/api/v5/account/config?secret=query")
    assert response.status_code == 500
    assert "LookupError" in caplog.text
    assert KEYS["okx"]["live"]["trade"]["api_key"] not in caplog.text
    assert "secret" not in caplog.text


async def test_a_long_catalogue_is_listed_whole() -> None:
    async with (
        Simulator(perpetuals=3_000) as simulator,
        client() as http,
    ):
        host = simulator.hosts["binance"]["testnet"]
        listed = (await http.get(host + "/fapi/v1/exchangeInfo")).json()["symbols"]
        assert sum(row["contractType"] == "PERPETUAL" for row in listed) >= 3_000


def test_it_shares_no_code_with_the_adapters() -> None:
    modules = sorted(PACKAGE.glob("*.py"))
    assert len(modules) > 5
    for module in modules:
        for node in ast.walk(ast.parse(module.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            ours = [name for name in names if name.split(".")[0] == "app"]
            assert all(name.startswith("app.simulator") for name in ours), module.name

"""Real processes, each ended by the fixture that started it."""

import asyncio
import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.simulator import Simulator
from botkeys.exchanges.registry import simulated_hosts
from examples import issuer
from examples.issuer import Issuer
from tests.processes import logins
from tests.processes.logins import Logins
from tests.processes.running import Running, Service
from tests.processes.trading import Trader, new_key, new_trader

Start = Callable[..., Service]
Run = Callable[..., Running]


@pytest.fixture
def run() -> Iterator[Run]:
    """Provide a function that starts any command."""
    running: list[Running] = []

    def start(*command: str | Path, **options: Any) -> Running:
        running.append(Running(*command, **options))
        return running[-1]

    yield start
    for process in running:
        process.close()


@pytest.fixture
def start() -> Iterator[Start]:
    """Provide a function that starts the whole service on a data folder."""
    running: list[Service] = []

    def begin(folder: Path, **options: Any) -> Service:
        running.append(Service(folder, **options))
        return running[-1]

    yield begin
    for service in running:
        service.close()


@dataclass(frozen=True, slots=True)
class History:
    """A service's first run on a folder: what it left there, and its last output."""

    service: Service
    trader: Trader
    opened: bool


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    service = Service(tmp_path_factory.mktemp("used") / "data")
    try:
        service.ready()
        with service.http(service.token()) as http:
            trader = new_trader(http, http, new_key())
        opened = trader.opens(service.address)
        service.stops_by_ctrl_c()
        return History(service, trader, opened)
    finally:
        service.close()


@pytest.fixture
def data(history: History, tmp_path: Path) -> Path:
    """Provide a data folder of the test's own that a service has used before."""
    folder = tmp_path / "data"
    cp = shutil.which("cp")
    assert cp is not None
    # As root, PostgreSQL's part belongs to another user: Python's copy functions would lose that.
    subprocess.run([cp, "-a", history.service.folder, folder], check=True)  # noqa: S603
    return folder


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Provide one service for the tests that only send it requests."""
    running = Service(tmp_path_factory.mktemp("shared") / "data")
    try:
        running.ready()
        yield running
    finally:
        running.close()


@pytest.fixture(scope="session")
def production_logins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logins]:
    with logins.running(tmp_path_factory.mktemp("production")) as running:
        asyncio.run(logins.make_logins(running))
        yield running


@pytest.fixture(scope="session")
def oidc() -> Iterator[Issuer]:
    with issuer.issuing() as running:
        yield running


@pytest.fixture(scope="session")
def exchange_hosts() -> Iterator[str]:
    """Provide the setting that leads a process to simulated exchanges, which run in a thread."""
    hosts: list[str] = []
    ready, done = threading.Event(), threading.Event()

    async def simulate() -> None:
        async with Simulator() as simulator:
            hosts.append(json.dumps(simulated_hosts(simulator.hosts)))
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=lambda: asyncio.run(simulate()), daemon=True)
    thread.start()
    assert ready.wait(60)
    yield hosts[0]
    done.set()
    thread.join(60)

"""A stop at the worst moment leaves nothing behind, and the next start works."""

import random
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from tests.processes.conftest import Start
from tests.processes.running import (
    PATIENCE,
    Service,
    all_end,
    environment,
    eventually,
    is_alive,
    name_of,
    output_of,
)


def interrupt(service: Service, moment: float, pause: float) -> None:
    """Press Ctrl-C at that moment after the start and after each pause, until it has ended."""
    seen: set[psutil.Process] = set()
    until = service.began + moment
    while time.monotonic() < until and service.process.poll() is None:
        seen |= set(service.family())
        time.sleep(0.005)
    first = time.monotonic()
    while service.process.poll() is None:
        seen |= set(service.family())
        service.ctrl_c()
        time.sleep(pause)
        assert time.monotonic() < first + PATIENCE, service.text
    service.wait()
    assert all_end(list(seen)), [process for process in seen if is_alive(process)]
    assert service.is_clean, (moment, pause, service.text)


@pytest.fixture(autouse=True, scope="module")
def installed() -> None:
    """Complete the installation first: no test may interrupt it in the environment it runs in."""
    output_of("make", "install", env=environment())


def works(start: Start, folder: Path) -> None:
    service = start(folder)
    service.ready()
    service.stops_by_ctrl_c()
    assert service.is_clean, service.text


@pytest.mark.parametrize(
    "stage",
    ["postgres.new/PG_VERSION", pytest.param("postgres/PG_VERSION", marks=pytest.mark.torture)],
)
@pytest.mark.torture
def test_ctrl_c_twice_while_the_database_is_made(start: Start, tmp_path: Path, stage: str) -> None:
    service = start(tmp_path / "data", by_make=True)
    assert eventually((tmp_path / "data" / stage).exists)
    interrupt(service, 0, 0.05)
    works(start, tmp_path / "data")


def test_ctrl_c_many_times_while_it_stops(start: Start, data: Path) -> None:
    service = start(data)
    service.ready()
    interrupt(service, 0, 0.003)
    assert service.process.returncode == 0


def test_ctrl_c_while_it_imports(start: Start, data: Path) -> None:
    service = start(data, by_make=True)
    assert eventually(lambda: any(name_of(process) == "botkeys" for process in service.family()))
    interrupt(service, 0, 0.02)


@pytest.mark.torture
@pytest.mark.timeout(900)
def test_ctrl_c_at_any_moment(start: Start, tmp_path: Path, data: Path) -> None:
    chance = random.Random(20261122)  # noqa: S311  # moments, not secrets
    for number in range(40):
        folder = data if number % 2 else tmp_path / f"new {number}"
        service = start(folder, by_make=number % 4 < 2)
        # Python's own start, in which a Ctrl-C not caught by `make` shows a traceback of Python's.
        first = 0.0 if number % 4 < 2 else 0.15
        interrupt(service, chance.uniform(first, 5), chance.choice([0.001, 0.02, 0.2, 2]))
    works(start, data)


def test_a_sigint_that_only_make_gets_stops_the_service(start: Start, data: Path) -> None:
    service = start(data, by_make=True)
    service.ready()
    family = service.family()
    assert {"make", "botkeys", "postgres"} <= {name_of(process) for process in family}
    service.send(signal.SIGINT)
    service.wait()
    assert all_end(family)
    assert service.is_clean, service.text


def test_the_death_of_make_takes_everything_along(start: Start, data: Path) -> None:
    service = start(data, by_make=True)
    service.ready()
    family = service.family()
    service.process.kill()
    assert all_end(family)


@pytest.mark.parametrize(
    "moment", [pytest.param(m, marks=pytest.mark.torture) for m in (0.05, 0.2, 0.5, 1, 1.5, 2)]
)
def test_the_death_of_make_during_the_start_takes_everything_along(
    start: Start, data: Path, moment: float
) -> None:
    service = start(data, by_make=True)
    assert eventually(lambda: len(service.family()) > 1)
    threading.Event().wait(moment)
    family = service.family()
    service.process.kill()
    assert all_end(family)
    works(start, data)

"""The database stops responding, and dies, while a service is running."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from tests.processes.conftest import Start
from tests.processes.running import Service, all_end, eventually, name_of
from tests.processes.trading import Json, sent

LIMITS = {
    "database_statement_timeout": 1,
    "database_pool_timeout": 1,
    "database_pool_size": 2,
    "database_pool_overflow": 0,
}
SLOWEST = 15.0
"""A wait for a connection, the statement, and the rollback after it, on a busy machine.
Without these limits it would be at least sixteen.
"""


def postgres_of(service: Service) -> list[psutil.Process]:
    return [process for process in service.family() if name_of(process) == "postgres"]


def is_made(http: httpx.Client, name: str) -> bool:
    """Return whether a bot is created; with such tight limits a busy machine may need a retry."""
    return http.post("/v1/bots", json={"name": name}).status_code == httpx.codes.CREATED


def main_process(service: Service) -> psutil.Process:
    return next(p for p in psutil.Process(service.pid).children() if name_of(p) == "postgres")


@pytest.mark.torture
def test_a_database_that_hangs_is_answered_with_503_and_one_that_died_ends_the_service(
    start: Start, data: Path
) -> None:
    service = start(data, **LIMITS)
    service.ready()
    with service.http(service.token()) as http:
        assert eventually(lambda: is_made(http, "before"))
        hanging = postgres_of(service)
        for process in hanging:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        try:
            answers = _all_at_once(http)
            ready = http.get("/readyz")
        finally:
            for process in hanging:
                with suppress(psutil.NoSuchProcess):
                    process.resume()
        for answer, seconds in answers:
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert int(answer.headers["Retry-After"]) > 0
            assert seconds < SLOWEST
        assert ready.status_code == 503
        assert ready.json()["checks"]["database"] == "unreachable"

        assert eventually(lambda: is_made(http, "after"))
        names = [bot["name"] for bot in sent(http.get("/v1/bots"), 200)["items"]]
        assert {"before", "after"} <= set(names)
        assert not {f"during {number}" for number in range(6)} & set(names)

    family = service.family()
    main_process(service).kill()
    assert service.wait() == 1
    assert "PostgreSQL stopped unexpectedly" in service.stderr
    assert service.is_clean, service.text
    assert all_end(family)


def _all_at_once(http: httpx.Client) -> list[tuple[httpx.Response, float]]:
    def call(number: int) -> tuple[httpx.Response, float]:
        began = time.monotonic()
        if number % 2:
            answer = http.get("/v1/keys")
        else:
            body: Json = {"name": f"during {number}"}
            answer = http.post("/v1/bots", json=body)
        return answer, time.monotonic() - began

    with ThreadPoolExecutor(6) as threads:
        return list(threads.map(call, range(6)))


@pytest.mark.torture
def test_a_database_that_dies_during_the_start_ends_the_service(start: Start, data: Path) -> None:
    service = start(data)
    while not any(name_of(process) == "postgres" for process in service.family()):
        assert service.process.poll() is None
        time.sleep(0.005)
    main_process(service).kill()
    assert service.wait() == 1
    assert service.stderr.startswith("botkeys: ")
    assert service.is_clean, service.text

"""`botkeys serve --processes`: one port, several processes, and the one that supervises them."""

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
import pytest

from app.process.connections import OPERATORS
from examples.issuer import Issuer
from tests.processes.logins import Logins
from tests.processes.production import Installation, installed, is_ready
from tests.processes.running import (
    BOTKEYS,
    PATIENCE,
    Running,
    all_end,
    eventually,
    free_port,
    free_ports,
    log_lines,
)

PROCESSES = 2
STARTING = 0.2
FEWEST = 16
"""Connections, the fewest that `BOTKEYS_CONNECTIONS` allows."""


@pytest.fixture(scope="module")
def installation(
    tmp_path_factory: pytest.TempPathFactory,
    production_logins: Logins,
    oidc: Issuer,
    exchange_hosts: str,
) -> Iterator[Installation]:
    database = asyncio.run(production_logins.migrated())
    folder = tmp_path_factory.mktemp("several")
    with installed(folder, production_logins, database, oidc, exchange_hosts) as installation:
        yield installation


def serve_several(installation: Installation, **changes: object) -> tuple[Running, str]:
    port = free_port()
    command = (BOTKEYS, "serve", "--role", "api", "--processes", str(PROCESSES))
    process = Running(*command, env=installation.settings("api", port=port, **changes))
    installation.running.append(process)
    return process, f"http://127.0.0.1:{port}"


def children_of(process: Running) -> list[psutil.Process]:
    return psutil.Process(process.pid).children()


def test_processes_share_a_port_and_one_that_is_killed_is_started_again(
    installation: Installation,
) -> None:
    operations = free_port()
    process, address = serve_several(installation, operations_port=operations)
    assert process.says("processes_started"), process.text
    first = children_of(process)
    assert len(first) == PROCESSES
    with installation.http(address) as api:
        assert api.get("/v1/keys").status_code == 200
    for number in range(PROCESSES):
        metrics = httpx.get(f"http://127.0.0.1:{operations + number}/metrics")
        assert "botkeys_" in metrics.text

    first[0].kill()
    # The port never closes: what was not taken by the one that died is answered by the other.
    for _ in range(20):
        assert httpx.get(f"{address}/livez").status_code == 200
    assert eventually(lambda: len(children_of(process)) == PROCESSES), process.text
    (ended,) = (line for line in log_lines(process.text) if line.get("event") == "process_ended")
    assert (ended["number"], ended["status"]) in {(0, -9), (1, -9)}

    family = process.family()
    process.send(signal.SIGTERM)
    assert process.wait() == 0, process.text
    assert process.is_clean, process.text
    assert all_end(family)


def test_processes_begin_together(installation: Installation) -> None:
    """Who waits for a service that is started again does not all go to the process ready first."""
    process, address = serve_several(installation)
    place = ("127.0.0.1", int(address.rpartition(":")[2]))
    assert eventually(lambda: _listens(place)), process.text
    with socket.create_connection(place) as waiting:
        waiting.sendall(b"GET /livez HTTP/1.1\r\nHost: here\r\n\r\n")
        assert eventually(lambda: len(children_of(process)) == PROCESSES), process.text
        # The first is ready by now, and the others take longer than this.
        waiting.settimeout(STARTING)
        with pytest.raises(TimeoutError):
            waiting.recv(1)
        assert process.says("processes_started"), process.text
        waiting.settimeout(PATIENCE)
        assert waiting.recv(65536).startswith(b"HTTP/1.1 200")


def test_processes_that_wait_for_the_others_end_when_asked(installation: Installation) -> None:
    process, _ = serve_several(installation)
    assert eventually(lambda: len(children_of(process)) == PROCESSES), process.text
    family = process.family()
    process.send(signal.SIGTERM)
    assert process.wait() == 0, process.text
    assert "processes_started" not in process.text
    assert process.is_clean, process.text
    assert all_end(family)


def _listens(place: tuple[str, int]) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(place) == 0


@pytest.mark.torture
def test_processes_end_when_their_supervisor_is_killed(installation: Installation) -> None:
    process, _ = serve_several(installation)
    assert process.says("processes_started"), process.text
    family = process.family()
    process.send(signal.SIGKILL)
    assert all_end(family)


def test_what_keeps_one_process_from_starting_is_printed_once(
    installation: Installation, tmp_path: Path
) -> None:
    process, _ = serve_several(installation, keys_dir=tmp_path / "nowhere")
    assert process.wait() == 1, process.text
    assert process.text.count("the folder of key files does not exist") == 1
    assert process.is_clean


def test_ports_for_operators_leave_out_the_port_of_requests(installation: Installation) -> None:
    port = free_port()
    changes = {"port": port, "operations_port": port - 1}
    command = ("serve", "--processes", str(PROCESSES))
    process = installation.command(*command, role="api", **changes)
    assert process.wait() == 1
    assert f"need the ports {port - 1} to {port}" in process.stderr


def test_a_taken_port_for_operators_is_reported_before_anything_starts(
    installation: Installation,
) -> None:
    first = free_ports()
    last = first + PROCESSES - 1
    with socket.create_server(("127.0.0.1", last)):
        changes = {"port": free_port(), "operations_port": first}
        command = ("serve", "--processes", str(PROCESSES))
        process = installation.command(*command, role="api", **changes)
        assert process.wait() == 1
    assert f"port {last}: Address already in use" in process.stderr


def test_a_full_process_still_answers_operators(installation: Installation) -> None:
    port = free_port()
    process, address = installation.serve("api", operations_port=port, connections=FEWEST)
    operators = f"http://127.0.0.1:{port}"
    assert is_ready(process, operators), process.text
    place = ("127.0.0.1", int(address.rpartition(":")[2]))
    with ExitStack() as stack:
        for number in range(FEWEST):  # one address may have half
            source = (f"127.0.0.{2 + number % 4}", 0)
            held = stack.enter_context(socket.create_connection(place, source_address=source))
            held.sendall(b"GET /livez HTTP/1.1\r\nHost: here\r\n\r\n")
            assert held.recv(65536).startswith(b"HTTP/1.1 200")
        assert httpx.get(f"{address}/livez").status_code == 503
        for path in ("/livez", "/metrics"):
            answer = httpx.get(operators + path)
            assert answer.status_code == 200, answer.text
        # Those of operators have an end too, and take none of the others' places.
        many = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            for _ in range(OPERATORS)
        ]
        assert eventually(lambda: httpx.get(f"{operators}/livez").status_code == 503)
        many.pop().close()
        assert eventually(lambda: httpx.get(f"{operators}/livez").status_code == 200)
    assert eventually(lambda: httpx.get(f"{address}/livez").status_code == 200)
    process.send(signal.SIGTERM)
    assert process.wait() == 0
    assert process.is_clean, process.text

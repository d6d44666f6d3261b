"""`botkeys dev`, from its first start to its end."""

import os
import signal
import socket
import stat
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from tests.processes.conftest import History, Start
from tests.processes.running import (
    BOTKEYS,
    PATIENCE,
    Service,
    all_end,
    eventually,
    log_lines,
    name_of,
    output_of,
)
from tests.processes.trading import new_key, new_trader, sent


def test_a_first_start_serves_and_one_ctrl_c_ends_it(history: History) -> None:
    assert history.opened
    assert history.service.is_clean, history.service.text


def test_a_second_start_finds_the_data_of_the_first(
    start: Start, data: Path, history: History
) -> None:
    service = start(data)
    service.ready()
    with service.http(service.token()) as http:
        key = sent(http.get(f"/v1/keys/{history.trader.key_id}"), 200)
    assert key["bot"]["id"] == history.trader.bot_id
    assert history.trader.opens(service.address)
    service.stops_by_ctrl_c()
    assert service.is_clean, service.text


def test_the_welcome_names_the_docs_and_a_way_to_a_token(service: Service) -> None:
    assert f"{service.address}/docs" in service.stdout
    assert "botkeys token --account alice" in service.stdout
    page = httpx.get(f"{service.address}/docs")
    assert page.status_code == 200
    assert "swagger" in page.text.lower()


def test_the_command_in_the_welcome_prints_a_token_that_works(service: Service) -> None:
    line = next(line for line in service.stdout.splitlines() if "botkeys token" in line)
    command = line.partition("a token")[2].strip()
    token = output_of("sh", "-c", command, env={**os.environ}, cwd=BOTKEYS.parents[2]).strip()
    with service.http(token) as http:
        sent(http.get("/v1/keys"), 200)


def test_every_log_line_is_json(service: Service) -> None:
    httpx.get(f"{service.address}/livez")
    assert eventually(lambda: '"route":"/livez"' in service.stdout)
    lines = log_lines(service.stdout)
    assert {"request", "role_all"} <= {line["event"] for line in lines}
    assert all({"at", "level", "logger"} <= line.keys() for line in lines)
    assert service.stderr == ""


def test_neither_the_service_nor_its_database_dumps_core(service: Service) -> None:
    for process in service.family():
        if name_of(process) == "sh":
            continue
        with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            limits = Path(f"/proc/{process.pid}/limits").read_text()
            core = next(line for line in limits.splitlines() if line.startswith("Max core"))
            assert core.split()[4:6] == ["0", "0"], process
    assert len(service.family()) > 3


def test_a_second_run_on_the_folder_learns_where_the_first_one_is(
    service: Service, start: Start
) -> None:
    second = start(service.folder)
    assert second.wait() == 1
    assert f"already running on port {service.port}" in second.stderr
    assert second.is_clean
    assert httpx.get(f"{service.address}/readyz").status_code == 200


def test_a_killed_service_leaves_no_process_and_a_folder_that_starts_and_sigterm_stops_it(
    start: Start, data: Path
) -> None:
    service = start(data)
    service.ready()
    family = service.family()
    assert any(name_of(process) == "postgres" for process in family)
    service.process.kill()
    assert all_end(family)
    stops_when_asked(start(data), signal.SIGTERM)


@pytest.mark.torture  # short: the test before, for SIGTERM
def test_the_end_of_the_terminal_stops_it(start: Start, data: Path) -> None:
    stops_when_asked(start(data), signal.SIGHUP)


def stops_when_asked(service: Service, number: signal.Signals) -> None:
    service.ready()
    family = service.family()
    service.send(number)
    assert service.wait() == 0
    assert all_end(family)
    assert service.is_clean


def test_a_request_under_way_is_answered_when_the_service_stops(start: Start, data: Path) -> None:
    service = start(data)
    service.ready()
    head = (
        f"POST /v1/bots HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {service.token()}\r\n"
        "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    )
    with socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE) as half_sent:
        half_sent.sendall(head.encode())
        server = psutil.Process(service.pid)
        assert eventually(
            lambda: any(
                connection.laddr.port == service.port and connection.status == "ESTABLISHED"
                for connection in server.net_connections("tcp")
            )
        )
        service.stops_by_ctrl_c()
        assert b" 503 " in half_sent.recv(4096)
    assert service.is_clean, service.text


@pytest.mark.torture  # short: the odd path of tests/db/embedded/test_server.py
def test_any_path_will_do_for_the_data_folder(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    odd = tmp_path / "Żółte dane, früh und spät ☂" / ("x" * 150)
    relative = Path(os.path.relpath(odd, BOTKEYS.parents[2]))
    assert not relative.is_absolute()
    service = start(relative)
    service.ready()
    assert "'" in next(line for line in service.stdout.splitlines() if "botkeys token" in line)
    with service.http(service.token()) as http:
        trader = new_trader(http, http, new_key("binance"))
    assert trader.opens(service.address)
    assert stat.S_IMODE((odd / "keys").stat().st_mode) == 0o700
    service.stops_by_ctrl_c()

"""A service that is stopped while an exchange has not yet answered about a key."""

import json
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.processes.conftest import Start
from tests.processes.running import PATIENCE, all_end
from tests.processes.trading import new_key, sent

NEW = new_key("okx", "trade_2")


def is_signed(connection: socket.socket) -> bool:
    connection.settimeout(PATIENCE)
    return b"ok-access-key" in connection.recv(4096).lower()


@pytest.mark.torture
def test_sigterm_while_a_key_is_checked_leaves_a_whole_key_or_none(
    start: Start, data: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(1) as thread:
        silent.settimeout(PATIENCE)
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        hosts = {"okx": {"testnet": {"rest": address}}}
        service = start(data, exchanges="real", exchange_hosts=json.dumps(hosts))
        service.ready()
        family = service.family()
        with service.http(service.token()) as http:
            adding = thread.submit(http.post, "/v1/keys", json=NEW)
            held: list[socket.socket] = []
            while not held or not is_signed(held[-1]):  # catalogues are asked for as well
                held.append(silent.accept()[0])
            service.send(signal.SIGTERM)
            assert service.wait() == 0, service.text
            for connection in held:
                connection.close()
            try:
                status = adding.result(PATIENCE).status_code
            except httpx.TransportError:
                status = None  # cut off: the caller does not know, and looks
    assert all_end(family)
    assert service.is_clean, service.text
    assert status in {None, 201, 503}
    again = start(data)
    again.ready()
    with again.http(again.token()) as http:
        items = sent(http.get("/v1/keys", params={"search": NEW["label"]}), 200)["items"]
        assert len(items) <= (status != 503)
        if items:
            assert items[0]["verification"]["status"] == "unreachable"
        else:
            assert sent(http.post("/v1/keys", json=NEW), 201)["version"] == 1
    again.stops_by_ctrl_c()

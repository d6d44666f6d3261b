"""A server that stops answers every request that has arrived."""

import pytest

from tests.process.test_http_protocol import application
from tests.support.http_server import (
    LONG,
    PATIENCE,
    Client,
    connections,
    http_server,
)
from tests.support.restarts import QUIET, Load, restarted_server


@pytest.mark.parametrize(
    ("clients", "restarts"), [(8, 3), pytest.param(48, 60, marks=pytest.mark.torture)]
)
def test_a_rolling_restart_loses_no_request(clients: int, restarts: int) -> None:
    """R47: neither on a kept-alive connection nor on one that waits to be accepted."""
    with restarted_server() as server:
        # Some send without a pause, some are idle for about as long as an idle connection may be.
        pauses = [(0, 0.002, 0.02, QUIET * 1.2)[number % 4] for number in range(clients)]
        load = Load(("127.0.0.1", server.port), pauses)
        with load.running():
            for _ in range(restarts):
                server.restart()
    assert load.lost == []
    # HTTP/1.1 and the kernel allow no more than that these are rare: a request that meets
    # the end of its idle connection, and a connection that is made as its port is being closed.
    assert load.crossed <= clients * restarts / 20
    assert load.refused <= max(1, restarts / 10)
    assert set(load.answered) == {200}
    assert load.last_answers >= restarts


def test_a_stopping_server_answers_what_has_arrived_and_closes_the_rest() -> None:
    """R47."""
    shared = connections(LONG)
    with http_server(application, shared) as server:
        waiting, busy, idle = server.connect(), server.connect(), server.connect()
        assert [client.get().status for client in (busy, idle)] == [200, 200]
        waiting.send(b"GET /wait HTTP/1.1\r\nHost: here\r\n\r\n")
        stopped = server.stop(quiet=0.5)
        server.until_stopping(shared)
        answer = busy.get()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert busy.ends()
        assert idle.ends()
        answer = waiting.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert waiting.ends()
        for client in (waiting, busy, idle):
            client.close()
        stopped.result(PATIENCE)
        with pytest.raises(ConnectionRefusedError):
            Client(server.address)

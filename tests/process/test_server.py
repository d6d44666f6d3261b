"""The socket that the service listens on."""

import asyncio
import resource
import socket
import sys
from contextlib import ExitStack

import pytest
import uvloop
from fastapi import FastAPI

from app.process.http_server import OPEN_FILES, HttpServer, allow_many_connections
from app.process.listening import ACCEPTED_AT_ONCE, UNTAKEN_SECONDS, listen
from app.settings import Mode, Settings, SettingsError


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has this limit")
def test_a_connection_whose_other_end_takes_nothing_is_ended_by_the_kernel() -> None:
    with (
        listen(Settings(mode=Mode.DEVELOPMENT, port=0)) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        limit = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        assert limit == UNTAKEN_SECONDS * 1000


def test_a_port_that_is_taken_is_reported_in_a_sentence() -> None:
    with listen(Settings(mode=Mode.DEVELOPMENT, port=0)) as listener:
        taken = listener.getsockname()[1]
        with pytest.raises(SettingsError, match=f"port {taken}"):
            listen(Settings(mode=Mode.DEVELOPMENT, port=taken))


def test_a_process_may_have_as_many_connections_as_the_system_lets_it() -> None:
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
        allow_many_connections()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (most, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))


def test_a_round_of_the_loop_accepts_several_connections() -> None:
    """Whoever connects in a storm would else wait as many rounds as there are callers before."""
    connecting = 10 * ACCEPTED_AT_ONCE
    assert uvloop.run(_rounds_until_accepted(connecting)) <= 2 * connecting / ACCEPTED_AT_ONCE


async def _rounds_until_accepted(connecting: int) -> int:
    settings = Settings(mode=Mode.DEVELOPMENT, port=0)
    server = HttpServer(FastAPI(), settings)
    with ExitStack() as stack:
        listener = stack.enter_context(listen(settings))
        serving = asyncio.create_task(server.serve([listener]))
        await server.ready.wait()
        for _ in range(connecting):
            stack.enter_context(socket.create_connection(listener.getsockname()))
        rounds = 0
        while len(server.server_state.connections) < connecting:
            await asyncio.sleep(0)
            rounds += 1
        server.should_exit = True
        await serving
    return rounds

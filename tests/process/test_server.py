"""The socket that the service listens on."""

import resource
import socket
import sys

import pytest

from app.process.http_server import OPEN_FILES, allow_many_connections
from app.process.listening import UNTAKEN_SECONDS, listen
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

"""What `botkeys health` says about a process on its own machine, for whatever watches it."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from typer.testing import CliRunner

from app.cli import app

READY = (200, {"status": "ok", "checks": {"database": "ok"}})
WAITING = (503, {"status": "unavailable", "checks": {"database": "ok", "issuer": "never reached"}})


@contextmanager
def answering(*answers: tuple[int, object]) -> Iterator[int]:
    """Run a server that gives these answers in turn, then the last one again; yield its port."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/readyz"
            status, document = left.pop(0) if len(left) > 1 else left[0]
            body = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name
            """Print nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def asked(monkeypatch: pytest.MonkeyPatch, *options: str, **settings: object) -> tuple[int, str]:
    """Return the exit status of `botkeys health` with these settings, and what it printed."""
    for name, value in settings.items():
        monkeypatch.setenv(f"BOTKEYS_{name.upper()}", str(value))
    done = CliRunner().invoke(app, ["health", *options])
    return done.exit_code, done.output.strip()


@pytest.mark.parametrize(
    ("answer", "status", "says"),
    [
        (READY, 0, "is ready"),
        (WAITING, 1, "is not ready: issuer never reached"),
        ((404, b"<html>"), 1, "is not ready: status 404"),
        ((503, ["odd"]), 1, "is not ready: status 503"),
        ((503, {"checks": ["odd"]}), 1, "is not ready: status 503"),
    ],
)
def test_it_ends_as_readyz_answers(
    monkeypatch: pytest.MonkeyPatch, answer: tuple[int, object], status: int, says: str
) -> None:
    with answering(answer) as port:
        ended, printed = asked(monkeypatch, port=port)
    assert ended == status
    assert says in printed


def test_it_asks_the_port_for_operators_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(READY) as port:
        settings = {"port": 9, "operations_port": port, "operations_host": "0.0.0.0"}  # noqa: S104
        ended, printed = asked(monkeypatch, **settings)
    assert (ended, printed) == (0, f"The process at 127.0.0.1:{port} is ready.")


def test_it_waits_until_the_process_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(WAITING, READY) as port:
        assert asked(monkeypatch, "--wait", "20", port=port)[0] == 0


def test_a_process_that_does_not_run_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]  # bound, and nothing listens
        ended, printed = asked(monkeypatch, port=port)
    assert (ended, printed) == (1, f"The process at 127.0.0.1:{port} does not answer.")

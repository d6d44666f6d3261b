"""Server processes of our own: started, called, loaded, paused, stopped."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from benchmarks.cpu import children, cpu_seconds
from benchmarks.load import Load, Measured

_PATIENCE = 30.0
_TICK = 0.01


class NotStarted(Exception):
    """The process ended, or did not respond in time; its log says why."""


@dataclass(frozen=True, slots=True)
class Server:
    """A process that listens on `port`; `http` calls it."""

    process: subprocess.Popen[bytes]
    port: int
    http: httpx.Client

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def call(self, method: str, path: str, token: str, body: Any = None) -> Any:
        """Make one unmeasured request; raise `HTTPStatusError`."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.http.request(method, path, headers=headers, json=body).raise_for_status().json()

    def measure(self, load: Load) -> Measured:
        """Load this server from another process."""
        before = sum(self.cpu_seconds().values())
        (measured,) = measure_in_turn([load])
        spent = sum(self.cpu_seconds().values()) - before
        return replace(measured, cpu_ms=spent / measured.answered * 1000)

    def cpu_seconds(self) -> dict[int, float]:
        """Return how much CPU time it and its children have used so far, by process id."""
        processes = (self.process.pid, *children(self.process.pid))
        return {pid: cpu_seconds(pid) for pid in processes}

    def resident_mib(self) -> float:
        """Return the resident memory in MiB, as Linux counts it (shared libraries included)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024


def measure_in_turn(loads: Sequence[Load]) -> list[Measured]:
    """Send these loads alternately, from another process."""
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"],
        input=json.dumps([asdict(load) for load in loads]).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    return [Measured(**one) for one in json.loads(answer.stdout)]


@contextmanager
def running(
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    ready: str,
    log: Path,
    port: int | None = None,
) -> Iterator[Server]:
    """Yield the server once it answers `ready` with 200; stop it when the context ends.

    `environment` has the only Botkeys settings that it sees; the port is added to them, a free one
    unless it is given.
    """
    port = free_port() if port is None else port
    foreign = {name: text for name, text in os.environ.items() if not name.startswith("BOTKEYS_")}
    # With this variable every start would compile all modules again, unlike an installed service.
    foreign.pop("PYTHONDONTWRITEBYTECODE", None)
    with log.open("ab") as written:
        process = subprocess.Popen(  # noqa: S603  # our own program
            command,
            env={**foreign, **environment, "BOTKEYS_PORT": str(port)},
            stdout=written,
            stderr=written,
        )
    try:
        # The service closes connections that are idle for five seconds, httpx's own default: the
        # client must close them first.
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}",
            trust_env=False,
            timeout=_PATIENCE,
            limits=httpx.Limits(keepalive_expiry=1),
        ) as http:
            server = Server(process, port, http)
            _wait(server, ready)
            yield server
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(_PATIENCE)


def _wait(server: Server, path: str) -> None:
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            if server.http.get(path).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass  # it does not listen yet
        if server.process.poll() is not None or time.monotonic() > until:
            raise NotStarted
        time.sleep(_TICK)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port

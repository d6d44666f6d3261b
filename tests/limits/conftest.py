"""A real Valkey or Redis for the tests of shared limits."""

import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest


class LimitsServer:
    """A server on a Unix socket that keeps nothing; it can be stopped, frozen and started again.

    `options` add to the command line, and may have it listen elsewhere too.
    """

    def __init__(self, program: str, folder: Path, options: Sequence[str] = ()) -> None:
        self._options = ("--port", "0", "--save", "", *options)
        self.socket = folder / "limits.sock"
        self.url = f"unix://{self.socket}"
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603  # our own server
            [self._program, "--unixsocket", str(self.socket), *self._options],
            stdout=subprocess.DEVNULL,
            cwd=self.socket.parent,
        )
        deadline = time.monotonic() + 30
        while not self.socket.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.socket.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def limits_program() -> str:
    program = shutil.which("valkey-server") or shutil.which("redis-server")
    if program is None:
        pytest.skip("neither valkey-server nor redis-server is installed")
    return program


@pytest.fixture
def limits_server(limits_program: str, tmp_path: Path) -> Iterator[LimitsServer]:
    server = LimitsServer(limits_program, tmp_path)
    server.start()
    yield server
    server.stop()

"""Real servers in folders of their own. A fixture ends what its test starts, by process id."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.db.embedded import EmbeddedPostgres

ROOT = Path(__file__).parents[3]
OWNER = Path(__file__).with_name("owner_process.py")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the path of a future cluster. pytest's own folders are 0700 and, as root, root's."""
    return tmp_path / "data" / "postgres"


@pytest.fixture
def short_path() -> Iterator[Path]:
    """Provide an empty folder whose path is short enough for a socket, unlike pytest's."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # random name, 0700
        yield Path(folder)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a finished cluster for all tests, which stop what they start and repair damage."""
    return make(tmp_path_factory.mktemp("made") / "postgres")


@pytest.fixture(scope="session")
def long_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one below folders open to all, with a path too long for its socket."""
    return make(tmp_path_factory.mktemp("made") / ("x" * 150) / "postgres")


def make(folder: Path) -> Path:
    with EmbeddedPostgres(folder, settings={"fsync": "off"}):
        return folder


@pytest.fixture
def fresh(folder: Path) -> Iterator[EmbeddedPostgres]:
    """Provide a server without a cluster yet, without fsync, since no test here cuts the power."""
    postgres = EmbeddedPostgres(folder, settings={"fsync": "off"})
    yield postgres
    postgres.stop_sync()


@pytest.fixture
def quick(made: Path) -> Iterator[EmbeddedPostgres]:
    """Provide a server on a finished cluster, not started; it is stopped at the end."""
    postgres = EmbeddedPostgres(made, settings={"fsync": "off"})
    yield postgres
    postgres.stop_sync()


@pytest.fixture
def ended() -> Callable[..., bool]:
    """Return a check that processes end in time; a dead one not yet reaped by init has ended."""

    def wait(processes: list[psutil.Process], seconds: float = 60) -> bool:
        deadline = time.monotonic() + seconds
        while any(is_alive(process) for process in processes):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    return wait


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Owner:
    """A process that owns an embedded server and is to be killed."""

    def __init__(self, folder: Path, *user: int, python: str = sys.executable) -> None:
        self.process = subprocess.Popen(  # noqa: S603  # our own script
            [python, str(OWNER), str(folder), *map(str, user)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        )
        self._server: psutil.Process | None = None

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        if "pid" in answer:
            self._server = psutil.Process(answer["pid"])
        return answer

    @property
    def server(self) -> psutil.Process:
        assert self._server is not None
        return self._server

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(60)

    def close(self) -> None:
        if self.process.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                self.process.communicate(timeout=60)
        if self.process.poll() is None:
            self.kill()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
        if self._server is not None and self._server.is_running():
            with suppress(psutil.NoSuchProcess):
                self._server.send_signal(signal.SIGCONT)
                self._server.send_signal(signal.SIGQUIT)


@pytest.fixture
def own() -> Iterator[Callable[..., Owner]]:
    owners: list[Owner] = []

    def make(folder: Path, *user: int, python: str = sys.executable) -> Owner:
        owners.append(Owner(folder, *user, python=python))
        return owners[-1]

    yield make
    for owner in owners:
        owner.close()


@pytest.fixture
def bystander() -> Iterator[Callable[[int], psutil.Process]]:
    """Provide a function that starts an idle process of the given user."""
    running: list[subprocess.Popen[bytes]] = []

    def start(uid: int) -> psutil.Process:
        running.append(subprocess.Popen(["sleep", "600"], user=uid))  # noqa: S607  # from PATH
        return psutil.Process(running[-1].pid)

    yield start
    for process in running:
        process.kill()
        process.wait(60)

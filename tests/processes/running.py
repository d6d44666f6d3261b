"""Commands run as real processes; what a test starts it ends, by process id."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any

import httpx
import psutil
import pytest

from tests.support.limits import ABUNDANT

ROOT = Path(__file__).resolve().parents[2]
BOTKEYS = Path(sys.executable).with_name("botkeys")
WELCOME = "Botkeys is running."
PATIENCE = 60.0
"""Seconds for what takes one or two on an idle machine."""
PATIENT = {
    "database_pool_timeout": PATIENCE,
    "database_statement_timeout": PATIENCE,
    "key_check_timeout": 30,
    **ABUNDANT,
}
"""Settings of a service that asks nobody to retry because the machine is busy, or the test is."""
TRACES = ("Traceback (most recent call last)", "Exception ignored", "Fatal Python error")


def long(*values: Any) -> Any:
    """Leave a case to the long run: each start takes a second or two of imports."""
    return pytest.param(*values, marks=pytest.mark.torture)


def free_port() -> int:
    """Return a port below the system's ephemeral range, so that nothing else takes it meanwhile."""
    while True:
        port = random.randrange(10_000, 30_000)  # noqa: S311  # a port is no secret
        with socket.socket() as taken, suppress(OSError):
            taken.bind(("127.0.0.1", port))
            return port


def free_ports() -> int:
    """Return the first of a hundred free ports, above those of `free_port`."""
    while True:
        base = 100 * random.randrange(300, 326)  # noqa: S311  # as above
        with ExitStack() as taken, suppress(OSError):
            for port in range(base, base + 100):
                taken.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return base


def environment(**settings: object) -> dict[str, str]:
    """Return our environment with exactly the given Botkeys settings, named without prefix."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BOTKEYS_")}
    # Modules are compiled once, as on an ordinary machine; and `make` is nobody's part.
    for name in ("PYTHONDONTWRITEBYTECODE", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
        kept.pop(name, None)
    return kept | {f"BOTKEYS_{name.upper()}": str(value) for name, value in settings.items()}


def eventually(condition: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def name_of(process: psutil.Process) -> str:
    """Return the process's name, empty if it has just ended: PostgreSQL's processes come and go."""
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""


def is_alive(process: psutil.Process) -> bool:
    """Return whether the process lives; a dead one not yet reaped by init does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def all_end(processes: Sequence[psutil.Process]) -> bool:
    return eventually(lambda: not any(map(is_alive, processes)))


class Running:
    """A command in a session of its own, so that its process group is like a terminal's."""

    def __init__(
        self,
        *command: str | Path,
        env: Mapping[str, str],
        cwd: Path = ROOT,
        user: int | None = None,
    ) -> None:
        self.began = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603  # our own commands
            [str(part) for part in command],
            env=dict(env),
            cwd=cwd,
            user=user,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._texts: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._readers = [
            threading.Thread(target=self._read, args=(name, stream), daemon=True)
            for name, stream in (("stdout", self.process.stdout), ("stderr", self.process.stderr))
            if stream is not None
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, name: str, stream: IO[bytes]) -> None:
        for line in stream:
            self._texts[name].append(line.decode(errors="replace"))
        stream.close()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def stdout(self) -> str:
        return "".join(self._texts["stdout"])

    @property
    def stderr(self) -> str:
        return "".join(self._texts["stderr"])

    @property
    def text(self) -> str:
        return self.stdout + self.stderr

    @property
    def is_clean(self) -> bool:
        """Return whether nothing that it printed looks like a crash."""
        return not any(trace in self.text for trace in TRACES)

    def wait(self, seconds: float = PATIENCE) -> int:
        """Return the exit status, after reading all output. Raises `subprocess.TimeoutExpired`."""
        status = self.process.wait(seconds)
        for reader in self._readers:
            reader.join(PATIENCE)
        return status

    def says(self, text: str, seconds: float = PATIENCE) -> bool:
        """Return whether it prints this before it ends."""
        eventually(lambda: text in self.text or self.process.poll() is not None, seconds)
        if self.process.poll() is not None:
            self.wait()
        return text in self.text

    def family(self) -> list[psutil.Process]:
        """Return the process and all that it has started, directly or not."""
        try:
            process = psutil.Process(self.pid)
            return [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def send(self, number: signal.Signals) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)

    def ctrl_c(self) -> None:
        """Send SIGINT to the whole process group, as a terminal does."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGINT)

    def close(self) -> None:
        family = self.family()
        if self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(15)
        for process in filter(is_alive, family):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.wait()


class Service(Running):
    """`botkeys dev` or `make run` on a data folder."""

    def __init__(self, folder: Path, *, by_make: bool = False, **settings: object) -> None:
        self.folder = folder
        self.port = int(str(settings.pop("port", 0))) or free_port()
        self.settings = environment(data_dir=folder, port=self.port, **{**PATIENT, **settings})
        command: list[str | Path] = ["make", "run"] if by_make else [BOTKEYS, "dev"]
        super().__init__(*command, env=self.settings)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ready(self) -> None:
        """Wait until it prints that it is running."""
        assert self.says("stop           Ctrl-C"), self.text

    def stops_by_ctrl_c(self) -> None:
        """Check that one Ctrl-C ends it and all its processes."""
        family = self.family()
        self.ctrl_c()
        assert self.wait() == 0, self.text
        assert all_end(family), [process for process in family if is_alive(process)]

    def http(self, token: str) -> httpx.Client:
        return httpx.Client(
            base_url=self.address, headers={"Authorization": f"Bearer {token}"}, timeout=PATIENCE
        )

    def token(self, account: str = "alice") -> str:
        return output_of(BOTKEYS, "token", "--account", account, env=self.settings).strip()


def output_of(*command: str | Path, env: Mapping[str, str], cwd: Path = ROOT) -> str:
    """Return the standard output of a command that must succeed."""
    done = subprocess.run(  # noqa: S603  # our own commands
        [str(part) for part in command],
        env=dict(env),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def log_lines(text: str) -> list[dict[str, Any]]:
    """Return the log lines on standard output, all of which must be JSON, without the welcome."""
    rest = re.sub(rf"\n{re.escape(WELCOME)}\n.*?\n\n", "", text, flags=re.DOTALL)
    return [json.loads(line) for line in rest.splitlines()]

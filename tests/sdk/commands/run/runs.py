"""Starts `botkeys run` as a process, from a server that has imported everything already.

Each process is forked from one that holds no thread: that takes a fifth of the time of a new one.
"""

import fcntl
import multiprocessing
import os
import signal
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Self

PATIENCE = 30.0
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "botkeys.cli",
        "botkeys.commands.run.presets",
        "botkeys.commands.run.session",
        "tests.sdk.commands.run.runs",
    ]
)


def _become(
    arguments: Sequence[str], variables: Mapping[str, str], output: str, terminal: str | None
) -> None:
    """Be the command: with a terminal in a session of its own, or a job without any input."""
    from botkeys.__main__ import main  # noqa: PLC0415  # in the process that needs it

    os.chdir(Path(output).parent)
    os.environ.clear()
    os.environ.update(variables)
    if terminal is not None:
        os.setsid()
        source = os.open(terminal, os.O_RDWR)
        fcntl.ioctl(source, termios.TIOCSCTTY, 0)
    else:
        os.setpgid(0, 0)
        source = os.open(os.devnull, os.O_RDONLY)
    os.dup2(source, 0)
    for stream, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{output}.{name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), stream)
    os.closerange(3, 100)
    sys.argv = ["botkeys", *arguments]
    main()


@dataclass
class Run:
    """A started command."""

    process: ForkServerProcess
    output: Path

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    @property
    def printed(self) -> str:
        return self._read("out")

    @property
    def messages(self) -> str:
        return self._read("err")

    def until_printed(self, text: str) -> Self:
        return self._until(lambda: text in self.printed)

    def until_message(self, text: str) -> Self:
        return self._until(lambda: text in self.messages)

    def send(self, number: int) -> Self:
        os.kill(self.pid, number)
        return self

    def ends(self) -> int:
        """Return the exit status once it has ended."""
        self.process.join(PATIENCE)
        assert self.process.exitcode is not None, (self.printed, self.messages)
        return self.process.exitcode

    def program(self) -> int:
        """Return the process id of the program, as the command tells it."""
        self.until_message("(process ")
        return int(self.messages.partition("(process ")[2].partition(")")[0])

    def _read(self, name: str) -> str:
        path = Path(f"{self.output}.{name}")
        return path.read_text() if path.exists() else ""

    def _until(self, holds: Callable[[], bool]) -> Self:
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < deadline, (self.printed, self.messages)
            assert self.process.is_alive() or holds(), (self.printed, self.messages)
            time.sleep(0.01)
        return self


@contextmanager
def started(
    arguments: Sequence[str],
    variables: Mapping[str, str],
    output: Path,
    terminal: str | None = None,
) -> Iterator[Run]:
    """Start `botkeys` with the arguments; whatever is left of it is killed at the end."""
    process = _CONTEXT.Process(
        target=_become, args=(list(arguments), dict(variables), str(output), terminal)
    )
    process.start()
    run = Run(process, output)
    try:
        yield run
    finally:
        if process.is_alive():
            os.killpg(run.pid, signal.SIGKILL)
            process.join(PATIENCE)
        process.close()

"""Starts a bot as a process, several times on one outbox, and ends it by signals."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from botkeys.sealing.secret import Secret

PATIENCE = 30.0
ROOT = Path(__file__).parents[3]


class Reporting:
    """Processes of one bot, one after the other, on one outbox."""

    def __init__(self, url: str, path: Path, token: Secret) -> None:
        self._started: list[subprocess.Popen[str]] = []
        self._taken = path.with_name("taken")
        token_file = path.with_name("token")
        token_file.write_text(token.reveal())
        self._command = [
            *(sys.executable, "-m", "tests.sdk.client.reporting_bot", "--url", url),
            *("--token-file", str(token_file), "--outbox", str(path), "--taken", str(self._taken)),
        ]

    @property
    def taken(self) -> list[str]:
        """What the bot's client took so far, in any of its processes."""
        return self._taken.read_text().split() if self._taken.exists() else []

    def start(self, first: int = 0, count: int = 0, *more: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(  # noqa: S603  # our own interpreter
            [*self._command, "--first", str(first), "--count", str(count), *more],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._started.append(process)
        return process

    def close(self) -> None:
        """End what a failed test left running."""
        for process in self._started:
            process.kill()
            process.communicate(timeout=PATIENCE)

    def end(self, process: "subprocess.Popen[str]", number: int) -> None:
        """Send the signal, and see that the process ends by it and has printed nothing."""
        process.send_signal(number)
        assert process.communicate(timeout=PATIENCE)[0] == ""
        assert process.returncode == -number

    def until(self, process: "subprocess.Popen[str]", condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline, self.taken[-1:]
            time.sleep(0.01)

    def deliver(self, *more: str) -> None:
        """Start the bot once more, until everything is delivered."""
        process = self.start(0, 0, *more)
        assert process.communicate(timeout=PATIENCE)[0] == ""
        assert process.returncode == 0

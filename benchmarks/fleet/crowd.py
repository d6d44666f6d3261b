"""The hand of the one who measures on a process of bots, and on one of other callers."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from typing import Any

from benchmarks.fleet.bots import Crowd
from benchmarks.fleet.others import Kind

BOTS_OF_A_PROCESS = 5_000
BOTS_OF_AN_ADDRESS = 1_000


class Crowds:
    """Bots in as many processes as they need. An order goes to all of them at once."""

    def __init__(self, processes: Sequence[subprocess.Popen[str]]) -> None:
        self._processes = processes

    def do(self, name: str, **order: Any) -> list[dict[str, Any]]:
        """Give an order, and return each process's answer once the last has come."""
        self.begin(name, **order)
        return self.end()

    def begin(self, name: str, **order: Any) -> None:
        for process in self._processes:
            _write(process, {"do": name, **order})

    def end(self) -> list[dict[str, Any]]:
        return [_answer(process) for process in self._processes]


@contextmanager
def crowds(port: int, tokens: Sequence[str]) -> Iterator[Crowds]:
    """Yield the bots with these tokens, who do nothing yet."""
    with ExitStack() as stack:
        started = []
        for first in range(0, len(tokens), BOTS_OF_A_PROCESS):
            own = list(tokens[first : first + BOTS_OF_A_PROCESS])
            crowd = Crowd(port, own, _addresses(first, len(own)))
            started.append(stack.enter_context(_started("benchmarks.fleet.bots")))
            _write(started[-1], asdict(crowd))
        for process in started:
            _answer(process)
        yield Crowds(started)


@contextmanager
def others(seconds: float, kinds: Sequence[Kind]) -> Iterator[list[dict[str, Any]]]:
    """Let others call meanwhile; the list has what they saw when the context has ended."""
    seen: list[dict[str, Any]] = []
    with _started("benchmarks.fleet.others") as process:
        _write(process, {"seconds": seconds, "kinds": [asdict(kind) for kind in kinds]})
        if process.stdin is not None:
            process.stdin.close()
        yield seen
        seen.append(_answer(process))


def _addresses(first: int, bots: int) -> list[str]:
    """Return sources on the loopback interface: one alone may not open as many connections."""
    return [
        f"127.0.1.{1 + number // BOTS_OF_AN_ADDRESS}"
        for number in range(first, first + bots, BOTS_OF_AN_ADDRESS)
    ]


@contextmanager
def _started(module: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(  # noqa: S603  # our own program
        [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        if process.stdin is not None:
            process.stdin.close()
        process.terminate()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _write(process: subprocess.Popen[str], order: dict[str, Any]) -> None:
    if process.stdin is not None:
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()


def _answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    line = "" if process.stdout is None else process.stdout.readline()
    if not line:
        raise RuntimeError("a process of the fleet has ended")
    answer: dict[str, Any] = json.loads(line)
    return answer

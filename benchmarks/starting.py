"""How long it takes until a process serves, and until the command line responds."""

import subprocess
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import median

from benchmarks.installation import Installation
from benchmarks.report import Row
from benchmarks.server import Server, running

COLD_START_BUDGET = 5.0
"""Of a bare application, which imports the framework and answers one route: a service also imports
SQLAlchemy, cryptography and its own modules, reads its keys and asks PostgreSQL what it is.
"""

HELP_BUDGET = 1.5
"""Of a bare Typer program: no command may import what only another one needs."""


def measure_cold_start(installation: Installation, times: int) -> Row:
    """Measure from starting `botkeys serve --role api` to its first 200 on /readyz, and the same of
    a bare application, alternately.
    """
    took = [(_start(installation.service()), _start(_bare(installation))) for _ in range(times)]
    return Row.of_rounds(
        "cold start of an api process",
        [service / bare for service, bare in took],
        "of a bare FastAPI app's",
        "at most",
        COLD_START_BUDGET,
        {
            "service": f"{median(service for service, _ in took):.2f} s",
            "bare": f"{median(bare for _, bare in took):.2f} s",
        },
    )


def _bare(installation: Installation) -> AbstractContextManager[Server]:
    command = (sys.executable, "-m", "benchmarks.bare")
    return running(command, {}, "/readyz", installation.folder / "bare.log")


def _start(server: AbstractContextManager[Server]) -> float:
    """Return the seconds until it answers."""
    began = time.perf_counter()
    with server:
        return time.perf_counter() - began


def measure_help(times: int) -> Row:
    """Measure `botkeys --help`, and the same of a bare program, alternately."""
    botkeys = [str(Path(sys.executable).with_name("botkeys"))]
    bare = [sys.executable, "-m", "benchmarks.bare_command"]
    took = [(_help(botkeys), _help(bare)) for _ in range(times)]
    return Row.of_rounds(
        "botkeys --help",
        [ours / theirs for ours, theirs in took],
        "of a bare Typer program's",
        "at most",
        HELP_BUDGET,
        {
            "botkeys": f"{median(ours for ours, _ in took):.2f} s",
            "bare": f"{median(theirs for _, theirs in took):.2f} s",
        },
    )


def _help(program: list[str]) -> float:
    """Return the seconds that its help takes."""
    began = time.perf_counter()
    subprocess.run([*program, "--help"], stdout=subprocess.DEVNULL, check=True)  # noqa: S603  # ours
    return time.perf_counter() - began

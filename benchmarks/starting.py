"""How long it takes until a process serves, and until the command line responds."""

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.installation import Installation
from benchmarks.report import Row

COLD_START_BUDGET = 2.0
HELP_BUDGET = 0.5


def measure_cold_start(installation: Installation, times: int) -> Row:
    """Measure from starting `botkeys serve --role api` to its first 200 on /readyz; seconds."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        with installation.service():
            took.append(time.perf_counter() - began)
    return Row.of_rounds("cold start of an api process", took, "s", "at most", COLD_START_BUDGET)


def measure_help(times: int) -> Row:
    """Measure `botkeys --help`; seconds."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        subprocess.run(  # noqa: S603  # our own program
            [Path(sys.executable).with_name("botkeys"), "--help"],
            stdout=subprocess.DEVNULL,
            check=True,
        )
        took.append(time.perf_counter() - began)
    return Row.of_rounds("botkeys --help", took, "s", "at most", HELP_BUDGET)

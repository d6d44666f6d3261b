"""The load on a peer's own server: the same load generator and connections as on ours."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.load import Load, LoadRequest, Measured
from benchmarks.rounds import CONNECTIONS, Effort


class LoadFailed(Exception):
    """The load ended early, as at a response with another status; the text is the reason."""


def load_port(port: int, requests: Sequence[LoadRequest], effort: Effort) -> Measured:
    load = Load(port, list(requests), CONNECTIONS, effort.warm_up, effort.seconds)
    (measured,) = _run([sys.executable, "-m", "benchmarks.load"], [asdict(load)])
    return Measured(**measured)


@dataclass(frozen=True, slots=True)
class Ran:
    """What a program measured, the MiB that it needed, and a lone call's milliseconds."""

    measured: Measured
    resident_mib: float
    alone_ms: float


def load_program(command: Sequence[str], effort: Effort) -> Ran:
    """Let a program call a library of its own as often as it can, from as many threads."""
    found = _run(command, {"callers": CONNECTIONS, "seconds": effort.seconds})
    memory, alone = found.pop("resident_mib"), found.pop("alone_ms")
    return Ran(Measured(**found), memory, alone)


def _run(command: Sequence[str], options: Any) -> Any:
    done = subprocess.run(  # noqa: S603  # our own programs
        command, input=json.dumps(options).encode(), capture_output=True, check=False
    )
    if done.returncode:
        raise LoadFailed(done.stderr.decode().strip().rpartition("\n")[2][:200])
    return json.loads(done.stdout)

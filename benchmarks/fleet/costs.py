"""What a measured stretch of time costs: processor seconds and memory, as Linux counts them."""

import os
from dataclasses import dataclass
from pathlib import Path

from benchmarks.installation import Installation
from benchmarks.server import Server

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cpu:
    """Processor seconds so far, of service processes and of PostgreSQL."""

    service: float
    database: float

    def __sub__(self, before: "Cpu") -> "Cpu":
        return Cpu(self.service - before.service, self.database - before.database)

    def __add__(self, more: "Cpu") -> "Cpu":
        return Cpu(self.service + more.service, self.database + more.database)

    def __mul__(self, factor: float) -> "Cpu":
        return Cpu(self.service * factor, self.database * factor)

    def text(self, factor: float, unit: str) -> str:
        service, database = self.service * factor, self.database * factor
        return f"{service:.3g} + {database:.3g} {unit}"


def cpu_of(installation: Installation, *servers: Server) -> Cpu:
    service = sum(_own(pid) for server in servers for pid in family(server.process.pid))
    postmaster = int((installation.folder / "postgres" / "postmaster.pid").read_text().split()[0])
    # What has ended is counted by the parent that waited for it.
    return Cpu(service, sum(map(_own, family(postmaster))) + _waited_for(postmaster))


def by_process(server: Server) -> list[float]:
    """Return the processor seconds so far of each process of a server that serves requests."""
    first, *siblings = family(server.process.pid)
    return [_own(pid) for pid in siblings or [first]]


def resident_kib(server: Server) -> int:
    """Return the resident memory of the server's processes that is theirs alone."""
    return sum(_private_kib(pid) for pid in family(server.process.pid))


def family(pid: int) -> list[int]:
    """Return the process and its children, of which those of a server have none."""
    tasks = Path(f"/proc/{pid}/task")
    children = (
        child for task in tasks.iterdir() for child in (task / "children").read_text().split()
    )
    return [pid, *map(int, children)]


def _fields(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return ["0"] * 20


def _own(pid: int) -> float:
    return sum(map(int, _fields(pid)[11:13])) / _TICKS


def _waited_for(pid: int) -> float:
    return sum(map(int, _fields(pid)[13:15])) / _TICKS


def _private_kib(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(
        int(line.split()[1])
        for line in text.splitlines()
        if line.startswith(("Private_Clean:", "Private_Dirty:"))
    )

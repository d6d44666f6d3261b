"""How much CPU time processes have used so far, which other work on the machine disturbs little."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_OWN, _REAPED = slice(11, 13), slice(11, 15)
"""Among what follows the name in /proc/…/stat (proc(5)): user and system time of the process, and
besides those of the children that it has waited for.
"""


def cpu_seconds(pid: int) -> float:
    """Return the user and system time of a process."""
    return _seconds(pid, _OWN)


def precise_cpu_seconds(pid: int) -> float:
    """Return the time that a process's threads have been on a processor, to the nanosecond; that of
    threads that have ended is not in it.
    """
    spent = 0
    for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        spent += int(thread.read_text().split()[0])
    return spent / 1e9


def backends(postmaster: int, login: str) -> list[int]:
    """Return the processes of PostgreSQL that serve the connections of a login.

    Others work for the whole server: checkpoints, autovacuum, statistics.
    """
    return [pid for pid in children(postmaster) if f" {login} " in _title(pid)]


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def children(pid: int) -> list[int]:
    return [*map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


@contextmanager
def apart(server: int, *others: int) -> Iterator[None]:
    """Keep a server with its processes on other processors than `others`, which share one.

    Linux often wakes a process on the processor of the one that has sent it something, where it
    waits although another processor is idle. Afterwards all may use the caller's again. Nothing is
    done on a machine with one.
    """
    processors = os.sched_getaffinity(0)
    shared = {min(processors)}
    if processors == shared:
        yield
        return
    try:
        _place(_with_children(server), processors - shared)
        _place(others, shared)
        yield
    finally:
        _place([*_with_children(server), *others], processors)


def _with_children(pid: int) -> list[int]:
    with suppress(FileNotFoundError, ProcessLookupError):
        return [pid, *children(pid)]
    return []  # it has ended


def _place(pids: Iterable[int], processors: set[int]) -> None:
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").glob("*"):
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread.name), processors)


def cpu_seconds_of_server(pid: int) -> float:
    """Return the time of a server that starts a process for each connection, of all of them, also
    former ones.
    """
    return _seconds(pid, _REAPED) + sum(map(_of_child, children(pid)))


def _of_child(pid: int) -> float:
    try:
        return cpu_seconds(pid)
    except (FileNotFoundError, ProcessLookupError):
        return 0.0  # it has just ended, and counts when its parent has waited for it


def _seconds(pid: int, fields: slice) -> float:
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, after_name[fields])) / _TICKS

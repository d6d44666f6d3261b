"""Servers without an owner: found by the folder that they work in, and ended.

Whoever calls holds the cluster's lock, so no living owner has a claim on what is found.
"""

import logging
import os
import signal
from pathlib import Path

import psutil

FAST_SECONDS = 10.0
IMMEDIATE_SECONDS = 5.0

logger = logging.getLogger(__name__)


def end_leftovers(cluster: Path, descriptor: int) -> None:
    """End every PostgreSQL process that works in `cluster`, the main one in order.

    It is ended and not taken over: the kernel binds its life to ours only when it is our child.
    Then a `postmaster.pid` whose number now belongs to somebody else is removed; with a number
    that is free, PostgreSQL does so itself, after a check of its shared memory.
    """
    found = _at_work_in(cluster)
    if found:
        main = [process for process in found if process.pid == _recorded_pid(cluster)]
        logger.warning("ending a PostgreSQL that an earlier run left behind")
        _end(main, signal.SIGINT, FAST_SECONDS)
        _end(main, signal.SIGQUIT, IMMEDIATE_SECONDS)
        # Children of a killed server leave by themselves at their next wait; one that computes
        # does not, and keeps the shared memory.
        _end(found, signal.SIGQUIT if main else signal.SIGTERM, IMMEDIATE_SECONDS)
        _end(found, signal.SIGKILL, IMMEDIATE_SECONDS)
    pid = _recorded_pid(cluster)
    if pid is not None and psutil.pid_exists(pid) and not _at_work_in(cluster):
        os.unlink("postmaster.pid", dir_fd=descriptor)


def _at_work_in(cluster: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.name().startswith("postgres") and Path(process.cwd()).samefile(cluster):
                found.append(process)
        except (psutil.Error, OSError):
            continue  # gone, or another user's
    return found


def _end(processes: list[psutil.Process], number: signal.Signals, seconds: float) -> None:
    alive = [process for process in processes if process.is_running()]
    for process in alive:
        try:
            process.send_signal(number)
        except psutil.Error:
            continue
    psutil.wait_procs(alive, timeout=seconds)


def _recorded_pid(cluster: Path) -> int | None:
    try:
        return int((cluster / "postmaster.pid").read_text().partition("\n")[0])
    except (OSError, ValueError):
        return None

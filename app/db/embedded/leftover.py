"""Server processes without an owner: noticed by the folder's lock, and ended."""

import logging
import os
import signal
from pathlib import Path

import psutil

from app.db.embedded.folder_lock import MARK, cluster_name, lock_folder, try_lock

FAST_SECONDS = 10.0
IMMEDIATE_SECONDS = 5.0

logger = logging.getLogger(__name__)


def end_leftovers(folder: Path, descriptor: int) -> None:
    """End every process that an earlier run's server left in the cluster, and lock its folder.

    Ended and not taken over: the kernel binds a server's life to ours only when it is our child.
    The caller holds the supervisor's lock, so no living owner has a claim on them.
    Raises ClusterInUse where processes hold on that we cannot see or end.
    """
    if not try_lock(descriptor):
        logger.warning("ending a PostgreSQL that an earlier run left behind")
        name = cluster_name(descriptor)
        main = [process for process in _members(name) if process.pid == _recorded_pid(folder)]
        _end(main, signal.SIGINT, FAST_SECONDS)
        _end(main, signal.SIGQUIT, IMMEDIATE_SECONDS)
        # Children of a killed server leave by themselves at their next wait; one that computes
        # does not, and keeps the shared memory.
        _end(_members(name), signal.SIGTERM, IMMEDIATE_SECONDS)
        _end(_members(name), signal.SIGKILL, IMMEDIATE_SECONDS)
        lock_folder(folder, descriptor, IMMEDIATE_SECONDS)
    _forget_reused_pid(folder, descriptor)


def _members(name: str) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if name in _command_line(process)]


def _command_line(process: psutil.Process) -> str:
    try:
        if process.name() == "postgres":
            return " ".join(process.cmdline())
    except psutil.Error:
        pass  # gone, or another user's
    return ""


def _end(processes: list[psutil.Process], number: signal.Signals, seconds: float) -> None:
    alive = [process for process in processes if process.is_running()]
    for process in alive:
        try:
            process.send_signal(number)
            process.send_signal(signal.SIGCONT)  # a stopped one hears nothing else
        except psutil.Error:
            continue
    psutil.wait_procs(alive, timeout=seconds)


def _forget_reused_pid(folder: Path, descriptor: int) -> None:
    """Remove a killed server's `postmaster.pid` if its number now belongs to somebody else.

    PostgreSQL would take that one for a living server. With a number that is free it tidies up
    itself. A server that somebody started by hand on this folder is left to its refusal.
    """
    pid = _recorded_pid(folder)
    if pid is None or not psutil.pid_exists(pid):
        return
    try:
        process = psutil.Process(pid)
        if process.name() == "postgres" and MARK not in " ".join(process.cmdline()):
            return
    except psutil.NoSuchProcess:
        return
    except psutil.AccessDenied:
        pass  # not the server's user's, so not a server's
    os.unlink("postmaster.pid", dir_fd=descriptor)


def _recorded_pid(folder: Path) -> int | None:
    try:
        return int((folder / "postmaster.pid").read_text().partition("\n")[0])
    except (OSError, ValueError):
        return None

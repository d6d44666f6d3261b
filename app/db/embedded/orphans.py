"""Server processes without an owner: detected by the folder's lock, and ended."""

import logging
import os
import signal
from pathlib import Path

import psutil

from app.db.embedded.errors import ClusterInUse
from app.db.embedded.folder_lock import MARK, cluster_name, locked_within

# Signal, whether it goes to all processes or only to the main one, and the seconds to wait: fast
# shutdown, immediate shutdown. Children of a killed server exit at their next wait; a busy one does
# not, and keeps the shared memory.
STEPS = (
    (signal.SIGINT, False, 10.0),
    (signal.SIGQUIT, False, 5.0),
    (signal.SIGTERM, True, 5.0),
    (signal.SIGKILL, True, 5.0),
)

logger = logging.getLogger(__name__)


def end_leftovers(folder: Path, descriptor: int) -> None:
    """End every process that an earlier run's server left in the cluster, and lock its folder.

    They are ended rather than taken over: the kernel binds a server's life to ours only when it is
    our child. The caller holds the supervisor's lock, so no living owner needs them. Raises
    ClusterInUse if processes remain that we cannot see or end.
    """
    if not locked_within(descriptor, 0):
        logger.warning("stopping a PostgreSQL server left behind by an earlier run")
        _end(folder, descriptor)
    _forget_reused_pid(folder, descriptor)


def _end(folder: Path, descriptor: int) -> None:
    name = cluster_name(descriptor)
    for number, everyone, seconds in STEPS:
        main = _recorded_pid(folder)
        found = [process for process in _members(name) if everyone or process.pid == main]
        _signal(found, number)
        if locked_within(descriptor, seconds if found or everyone else 0):
            return
    raise ClusterInUse(folder, None)


def _members(name: str) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if name in _command_line(process)]


def _command_line(process: psutil.Process) -> str:
    try:
        if process.name() == "postgres":
            return " ".join(process.cmdline())
    except psutil.Error:
        pass  # gone, or owned by another user
    return ""


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(number)
            process.send_signal(signal.SIGCONT)  # a stopped process reacts to nothing else
        except psutil.Error:
            continue


def _forget_reused_pid(folder: Path, descriptor: int) -> None:
    """Remove a killed server's `postmaster.pid` if its number now belongs to another process.

    PostgreSQL would mistake that process for a living server; if the number is free, it tidies up
    by itself. A server started by hand on this folder is left alone: PostgreSQL then refuses to
    start.
    """
    pid = _recorded_pid(folder)
    if pid is None or not psutil.pid_exists(pid):
        return
    try:
        process = psutil.Process(pid)
        if process.name() == "postgres" and MARK not in " ".join(process.cmdline()):
            return
    except psutil.Error:
        pass  # dead and not yet reaped, or not owned by the server's user: neither is a server
    os.unlink("postmaster.pid", dir_fd=descriptor)


def _recorded_pid(folder: Path) -> int | None:
    try:
        return int((folder / "postmaster.pid").read_text().partition("\n")[0])
    except (OSError, ValueError):
        return None

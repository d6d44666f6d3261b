"""A folder in memory for what tests write: a disk takes four times as long to copy a database."""

import os
import shutil
from collections.abc import MutableMapping
from pathlib import Path

ROOT = "PYTEST_DEBUG_TEMPROOT"
"""The variable with the folder in which pytest makes its temporary folders."""

_FOLDER = Path("/dev/shm")  # noqa: S108  # pytest makes a folder of its own in it
_EACH = 3 << 30
"""Bytes for each processor, which runs one worker. A worker uses less than a third of it."""


def write_to_memory(variables: MutableMapping[str, str]) -> None:
    """Let temporary folders be in memory if there is plenty, and nobody chose another place."""
    if ROOT not in variables and _free() >= _EACH * (os.cpu_count() or 1):
        variables[ROOT] = str(_FOLDER)


def open_root() -> Path:
    """Return a folder that everyone can enter, unlike pytest's own."""
    # Tests make folders of their own in it.
    return _FOLDER if os.environ.get(ROOT) == str(_FOLDER) else Path("/tmp")  # noqa: S108


def _free() -> int:
    """Return how many bytes can be written there; 0 if programs could not be run from there."""
    try:
        if os.statvfs(_FOLDER).f_flag & os.ST_NOEXEC or not os.access(_FOLDER, os.W_OK):
            return 0
        memory = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        available = int(memory["MemAvailable"].split()[0]) << 10
        return min(shutil.disk_usage(_FOLDER).free, available, _left_to_this_group())
    except OSError:
        return 0


def _left_to_this_group() -> int:
    """Return what a container's limit leaves."""
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text().strip()
        used = int((group / "memory.current").read_text())
    except OSError:
        limit, used = "max", 0
    return 1 << 62 if limit == "max" else int(limit) - used

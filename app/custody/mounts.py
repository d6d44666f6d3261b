"""Folders that the platform mounts with secrets: Kubernetes, Docker, systemd.

Their modes are the platform's, often 0440 or 0444 under 01777, and nobody in the container can
change them. What protects them is the mount: who could alter it could alter this process too.
"""

import os
import stat
from pathlib import Path

_IN_MEMORY = frozenset({"tmpfs", "ramfs"})
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_MOUNTS = Path("/proc/self/mountinfo")


def is_platform_mount(folder: Path) -> bool:
    """Return whether root owns the folder and no user of this process's kind can change it.

    It is on a read-only mount, or in memory and closed to this process's user and to others.
    """
    try:
        found = folder.stat()
        read_only = bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError:
        return False
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0:
        return False
    if read_only:
        return True
    return (
        not found.st_mode & _OTHERS_WRITE
        and not os.access(folder, os.W_OK, effective_ids=True)
        and _file_system(found.st_dev) in _IN_MEMORY
    )


def _file_system(device: int) -> str | None:
    """Return the type of the mounted file system with this device number."""
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = _MOUNTS.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None
    for line in lines:
        mount, _, file_system = line.partition(" - ")
        if mount.split(" ")[2] == number:
            return file_system.split(" ")[0]
    return None

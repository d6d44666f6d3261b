"""The lock that says whether any process of a server still works in a cluster.

Each process of a server inherits one descriptor of the cluster's folder, locked before the server
was started. So the lock is free exactly when none of them lives, whatever process ids say.
"""

import fcntl
import hashlib
import os
import time
from pathlib import Path

from app.db.embedded.errors import ClusterInUse

POLL_SECONDS = 0.02
MARK = "botkeys-"


def cluster_name(descriptor: int) -> str:
    """The server's setting of that name: it stands in the command line of all its processes."""
    status = os.fstat(descriptor)
    identity = f"{status.st_dev}:{status.st_ino}"
    return MARK + hashlib.sha256(identity.encode()).hexdigest()[:16]


def lock_folder(folder: Path, descriptor: int, patience: float) -> None:
    """Lock the open folder, for us and all who inherit the descriptor.

    Raises ClusterInUse after `patience` seconds in which somebody else held it.
    """
    deadline = time.monotonic() + patience
    while not try_lock(descriptor):
        if time.monotonic() > deadline:
            raise ClusterInUse(folder, None)
        time.sleep(POLL_SECONDS)


def try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

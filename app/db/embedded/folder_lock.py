"""The lock that shows whether any process of a server still works in a cluster.

Each process of a server inherits one descriptor of the cluster's folder, locked before the server
was started. The lock is therefore free exactly when all of them are dead. Process ids prove
nothing: an id may be in use again, and where nobody reaps orphans a dead process keeps its own.
"""

import fcntl
import hashlib
import os
import time

POLL_SECONDS = 0.02
MARK = "botkeys-"


def cluster_name(descriptor: int) -> str:
    """Return the server's `cluster_name`, which is in the command line of all its processes."""
    status = os.fstat(descriptor)
    identity = f"{status.st_dev}:{status.st_ino}"
    return MARK + hashlib.sha256(identity.encode()).hexdigest()[:16]


def locked_within(descriptor: int, seconds: float) -> bool:
    """Lock the open folder for us and all who inherit the descriptor; False if others hold it."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_SECONDS)
        else:
            return True

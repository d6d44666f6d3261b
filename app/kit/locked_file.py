"""A file lock that the kernel releases with the process that holds it."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PRIVATE_FILE = 0o600
# Microseconds pass between taking the lock and writing the holder; a reader that hits this gap
# retries for this long before it gives up.
HOLDER_PATIENCE_SECONDS = 1.0


class FileIsLocked(Exception):
    """Another process holds the lock; `holder` is the text it wrote, "" if none in time."""

    def __init__(self, holder: str) -> None:
        self.holder = holder
        super().__init__("the file is locked")


@contextmanager
def locked_file(path: Path, holder: str) -> Iterator[None]:
    """Hold an OS lock on `path` and write `holder` (first line: our process id) into it.

    The kernel frees the lock with the process, however it ends. The descriptor is close-on-exec, so
    no program that we start keeps the lock alive. The file is never removed: a lock on a removed
    file guards nothing.

    Raises FileIsLocked.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE_FILE)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FileIsLocked(_read_holder(descriptor)) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, holder.encode(), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def holder_of(path: Path) -> str | None:
    """Return what a living process wrote that holds the lock on `path`, without trying the lock."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return None
    return text if text.endswith("\n") and _is_alive(text.partition("\n")[0]) else None


def _read_holder(descriptor: int) -> str:
    deadline = time.monotonic() + HOLDER_PATIENCE_SECONDS
    while time.monotonic() < deadline:
        text = os.pread(descriptor, 200, 0).decode(errors="replace")
        if text.endswith("\n") and _is_alive(text.partition("\n")[0]):
            return text
        time.sleep(0.02)
    return ""


def _is_alive(pid: str) -> bool:
    # An earlier, killed holder's text remains until the next holder has written its own.
    if not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

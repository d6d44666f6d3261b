"""Ends this process when its parent ends, or when the parent is `make` and was interrupted."""

import ctypes
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_POLL_SECONDS = 0.25
_MAKES = {"make", "gmake"}
_MASKS = ("SigCgt", "SigIgn")


def live_with_parent(parent: int | None = None) -> None:
    """Have SIGTERM sent to this process when its parent process is gone.

    `parent` is its process id if known for certain: without it, a parent that died before this call
    goes unnoticed. On Linux the kernel sends the signal; elsewhere a thread polls.

    A SIGINT sent only to `make` (`kill -INT`, not Ctrl-C) is handled as well: make does not forward
    it but waits for its command to end.
    """
    expected = os.getppid() if parent is None else parent
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != expected:
            os.kill(os.getpid(), signal.SIGTERM)
        if _name(expected) not in _MAKES:
            return
    threading.Thread(target=_watch, args=(expected,), daemon=True, name="parent-watch").start()


def _watch(parent: int) -> None:
    while os.getppid() == parent and not _waits_for_us(parent):
        time.sleep(_POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def _status(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return ""


def _name(pid: int) -> str:
    found = re.match(r"Name:\t(.*)", _status(pid))
    return found[1] if found else ""


def _waits_for_us(make: int) -> bool:
    """Return whether make was interrupted: it resets SIGINT to its default before it waits.

    A shell without job control ignores SIGINT for what it starts in the background, and so does
    make then: that is no interruption.
    """
    status = _status(make)
    masks = [re.search(rf"^{name}:\t([0-9a-f]+)$", status, re.MULTILINE) for name in _MASKS]
    bit = 1 << (signal.SIGINT - 1)
    return all(mask is not None and not int(mask[1], 16) & bit for mask in masks)

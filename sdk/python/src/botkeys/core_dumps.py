"""Prevention of core dumps, which would write secrets to a disk."""

import ctypes
import sys

_PR_SET_DUMPABLE = 4


def forbid_core_dumps() -> None:
    """Keep a crash from writing this process's memory, secrets included, to a disk."""
    if sys.platform == "win32":
        return  # which has no core files
    import resource  # noqa: PLC0415  # absent there

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # A pipe named in core_pattern ignores the limit, but respects this flag.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)

"""The command `botkeys`, and `python -m botkeys`."""

import os
import signal
import sys
from contextlib import suppress


def main() -> None:
    """Let Ctrl-C end the process silently before anything else is imported.

    Python's own handler would show a traceback of whatever is being imported at that moment.
    Commands that have something to clean up install handlers of their own.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # a job of a script
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from botkeys.cli import main as run  # noqa: PLC0415  # see above

    try:
        run()
    except SystemExit as end:
        if isinstance(end.code, int):
            _end(end.code)
        raise


def _end(status: int) -> None:
    """Exit at once: everything is closed, and Python's own shutdown takes another second."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # its reader is gone
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    main()

"""The command `botkeys`, and `python -m app`."""

import os
import signal
import sys
from contextlib import suppress


def main() -> None:
    """Have Ctrl-C end the process without a word before anything else is imported.

    Python's own handler would show a traceback of whatever is being imported at that moment.
    Commands that have something to bring to an end set handlers of their own.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from app.cli import main as run  # noqa: PLC0415  # see above

    try:
        run()
    except SystemExit as end:
        if isinstance(end.code, int):
            _end(end.code)
        raise


def _end(status: int) -> None:
    """All is closed by now. Python would take another second to take itself to pieces."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # whoever read it is gone
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    main()

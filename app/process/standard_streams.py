"""Standard streams for a process that was started without some of them."""

import os
import sys

_STREAMS = {0: ("stdin", "r"), 1: ("stdout", "w"), 2: ("stderr", "w")}


def open_standard_streams() -> None:
    """Open `/dev/null` in place of each closed standard stream.

    Otherwise the next file or socket takes its number, and what a library or a child process
    writes to standard error goes into the database's connection or the lock on the data folder.
    """
    for number, (name, mode) in _STREAMS.items():
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is this one, since all lower ones are open.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115

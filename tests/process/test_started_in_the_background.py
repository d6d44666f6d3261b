"""A process that was started without a terminal, or with some standard streams closed."""

import signal
import subprocess
import sys

import pytest

STOPPING = """
import os, signal, sys
from app.process.stopping import StopRequest
with StopRequest() as stop:
    os.kill(os.getpid(), getattr(signal, sys.argv[1]))
    print(stop.asked)
"""
STREAMS = """
import os, sys
from app.process.standard_streams import open_standard_streams
open_standard_streams()
print("out"), print("err", file=sys.stderr), sys.stdin.read()
assert os.open(os.devnull, os.O_RDONLY) > 2, "a file took the number of a standard stream"
os.write(2, b"written by a library")
os._exit(7 if os.path.samestat(os.fstat(0), os.stat(os.devnull)) else 8)
"""


def _ignore_nothing() -> None:
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.parametrize(
    ("ignored", "sent", "stops"),
    [
        (signal.SIGHUP, "SIGHUP", False),  # nohup
        (signal.SIGHUP, "SIGTERM", True),
        (signal.SIGINT, "SIGINT", True),  # the background of a shell without job control
        (signal.SIGINT, "SIGHUP", True),
    ],
)
def test_of_ignored_signals_only_sighup_stays_so(
    ignored: signal.Signals, sent: str, stops: bool
) -> None:
    started = f'trap \'\' {ignored.name.removeprefix("SIG")}; exec "$0" -c "$1" "$2"'
    done = subprocess.run(  # noqa: S603  # our own interpreter and our own text
        ["/bin/sh", "-c", started, sys.executable, STOPPING, sent],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=_ignore_nothing,  # nohup may have started the tests
    )

    assert (done.returncode, done.stdout.strip()) == (0, str(stops)), done.stderr


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_closed_standard_streams_are_never_taken_for_anything_else(
    closed: tuple[int, ...],
) -> None:
    shell = " ".join(f"{number}{'<' if number == 0 else '>'}&-" for number in closed)
    done = subprocess.run(  # noqa: S603  # our own interpreter and our own text
        ["/bin/sh", "-c", f'exec "$0" -c "$1" {shell}', sys.executable, STREAMS],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 7, done.stderr
    assert done.stdout == ("" if 1 in closed else "out\n")
    assert done.stderr == ("" if 2 in closed else "err\nwritten by a library")

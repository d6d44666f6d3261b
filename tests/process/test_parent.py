"""How a process learns that the `make` that runs it was interrupted."""

import subprocess
import sys

import pytest

from app.process import parent

CALLED = "signal.signal(signal.SIGINT, lambda *_: None)"
IGNORED = "signal.signal(signal.SIGINT, signal.SIG_IGN)"
DEFAULT = "signal.signal(signal.SIGINT, signal.SIG_DFL)"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("handling", "waits"), [(CALLED, False), (IGNORED, False), (DEFAULT, True)]
)
def test_only_a_default_handler_says_that_make_waits(handling: str, waits: bool) -> None:
    """A shell without job control has what it starts in the background ignore SIGINT."""
    code = f"import signal, sys\n{handling}\nprint(flush=True)\nsys.stdin.read()"
    with subprocess.Popen(  # noqa: S603  # our own interpreter and our own text
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as make:
        assert make.stdout is not None
        make.stdout.readline()
        assert parent._waits_for_us(make.pid) is waits
        make.communicate()

"""Questions on the terminal whose answers are not shown while they are typed or pasted."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from botkeys.commands.endings import UsageFault
from botkeys.sealing.secret import Secret

_PEM_BEGINS = "-----BEGIN "
_PEM_ENDS = "-----END "
_MOST_LINES = 200
_LINE_BYTES = 8192

Ask = Callable[[str], Secret]


@contextmanager
def hidden_prompts() -> Iterator[Ask]:
    """Yield a function that asks one question; the terminal shows nothing for the whole block.

    A private key in PEM form has many lines, which a paste sends at once: they are read to their
    end. Whatever ends the block, the terminal shows what is typed again.
    """
    if not sys.stdin.isatty():
        raise UsageFault(
            "There is no terminal to ask on. Give the credentials with --credentials FILE, or "
            "--credentials - for standard input.",
            code="credentials_missing",
        )
    if sys.platform == "win32":
        import getpass  # noqa: PLC0415  # it hides by itself there

        yield lambda question: Secret(getpass.getpass(f"{question}: "))
        return
    descriptor = sys.stdin.fileno()
    with _signals_raise(), _without_echo(descriptor):
        yield lambda question: _ask(descriptor, question)


def _ask(descriptor: int, question: str) -> Secret:
    sys.stderr.write(f"{question}: ")
    sys.stderr.flush()
    lines = [_line(descriptor)]
    if lines[0].strip().startswith(_PEM_BEGINS):
        while not lines[-1].strip().startswith(_PEM_ENDS) and len(lines) < _MOST_LINES:
            lines.append(_line(descriptor))
    return Secret("\n".join(lines))


def _line(descriptor: int) -> str:
    """Return a line as the terminal delivers it, without its end, and no byte of the next one."""
    line = os.read(descriptor, _LINE_BYTES)
    if not line:
        raise EOFError
    return line.decode(errors="replace").rstrip("\r\n")


@contextmanager
def _without_echo(descriptor: int) -> Iterator[None]:
    import termios  # noqa: PLC0415  # absent on Windows

    before: list[Any] = termios.tcgetattr(descriptor)
    hidden = [*before]
    hidden[3] = (hidden[3] & ~termios.ECHO) | termios.ECHONL
    try:
        # Not with TCSAFLUSH, which would drop what was pasted before the question.
        termios.tcsetattr(descriptor, termios.TCSADRAIN, hidden)
        yield
    finally:
        # What is left of a paste is dropped: a shell would show it, run it and remember it.
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Let signals that would end the process at once end the block first."""

    def leave(number: int, _: FrameType | None) -> None:
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, leave) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

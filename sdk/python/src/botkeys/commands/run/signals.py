"""The signals of this process, taken one by one and passed on to the program.

They are blocked in every thread, and one thread waits for them: nothing interrupts this process,
and the kernel says of each who sent it. A terminal sends its signals to the whole foreground
group, in which the program is too, so these are not passed on.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

_FAULTS = ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGSYS", "SIGSTKFLT", "SIGEMT")
_OUR_OWN = ("SIGPIPE", "SIGXFSZ", "SIGXCPU")
_UNCATCHABLE = ("SIGKILL", "SIGSTOP")
STOPPING = frozenset({signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU})
"""Signals that stop a job: this process stops too, so that a shell sees it."""

IGNORED_BY_DEFAULT = frozenset(
    getattr(signal, name)
    for name in ("SIGCHLD", "SIGCONT", "SIGURG", "SIGWINCH", "SIGINFO")
    if hasattr(signal, name)
)

_OF_TERMINALS = STOPPING | {signal.SIGINT, signal.SIGQUIT, signal.SIGWINCH}
_TERMINAL = "/dev/tty"


@dataclass(frozen=True, slots=True)
class Arrived:
    """A signal. `to_group`: the whole process group got it, from a terminal."""

    number: int
    to_group: bool


def passed_on() -> frozenset[int]:
    """Return the signals that are passed on: all that can be caught and are not ignored.

    Left out are faults of this very process, its own limits, and SIGCHLD.
    """
    excluded = {
        getattr(signal, name)
        for name in (*_FAULTS, *_OUR_OWN, *_UNCATCHABLE, "SIGCHLD")
        if hasattr(signal, name)
    }
    candidates = signal.valid_signals() - excluded
    return frozenset(
        int(each) for each in candidates if signal.getsignal(each) is not signal.SIG_IGN
    )


@contextmanager
def blocked(numbers: frozenset[int]) -> Iterator[set[int]]:
    """Block the signals in this thread and those it starts. Yields what was blocked before."""
    before = {int(each) for each in signal.pthread_sigmask(signal.SIG_BLOCK, numbers)}
    for number in numbers:
        if number in IGNORED_BY_DEFAULT and signal.getsignal(number) is signal.SIG_DFL:
            # Without a handler macOS would drop it although it is blocked.
            signal.signal(number, _nothing)
    try:
        yield before
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def stop(number: int) -> None:
    """Let a blocked signal stop this process, unless nobody could continue its group."""
    signal.raise_signal(number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    signal.pthread_sigmask(signal.SIG_BLOCK, {number})


def start_waiting(numbers: frozenset[int], arrived: Callable[[Arrived], None]) -> None:
    """Call `arrived`, in a thread, for each of the blocked signals, until the process ends."""

    def wait() -> None:
        while True:
            arrived(_next(numbers))

    threading.Thread(target=wait, name="signals", daemon=True).start()


def _next(numbers: frozenset[int]) -> Arrived:
    if sys.platform == "darwin":
        # macOS does not say who sent a signal. In the foreground of a terminal, a signal that its
        # keys send is taken for the terminal's.
        number = int(signal.sigwait(numbers))
        return Arrived(number, number in _OF_TERMINALS and is_in_foreground())
    info = signal.sigwaitinfo(numbers)
    # The code is positive for what the kernel itself sends, as a terminal's driver does.
    return Arrived(info.si_signo, info.si_code > 0 and info.si_signo != signal.SIGCHLD)


def is_in_foreground() -> bool:
    """Return whether the process has a terminal, and its group is in the foreground there."""
    with suppress(OSError):
        terminal = os.open(_TERMINAL, os.O_RDONLY | os.O_NOCTTY)
        try:
            return os.tcgetpgrp(terminal) == os.getpgrp()
        finally:
            os.close(terminal)
    return False


def _nothing(*_: object) -> None:
    """Be called by nobody: the signal is blocked."""

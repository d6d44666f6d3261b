"""The program: started as if by exec, signalled, and waited for without a limit."""

import asyncio
import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path
from typing import final

from botkeys.commands.endings import Ending
from botkeys.commands.run.delivery import Prepared
from botkeys.commands.run.refusals import CannotStart
from botkeys.commands.run.signals import STOPPING, Arrived, stop

_PR_SET_PDEATHSIG = 1
_SIGNAL_BASE = 128


@final
class Child:
    """A started program, in this process's own group and with its terminal.

    Start it from the main thread: on Linux the program gets SIGTERM when that ends without having
    waited, as after `kill -9`. So nobody starts it again beside the one that is running.
    """

    def __init__(self, prepared: Prepared, mask: AbstractSet[int]) -> None:
        """Start it with the signal mask `mask`. Raises CannotStart."""
        for descriptor in prepared.descriptors:
            os.set_inheritable(descriptor, True)
        try:
            self._process = subprocess.Popen(  # noqa: S603  # what the user wrote
                prepared.command,
                env=prepared.variables,
                close_fds=False,
                preexec_fn=_before_exec(mask, os.getpid()),  # noqa: PLW1509  # it takes no lock
            )
        except (FileNotFoundError, NotADirectoryError):
            raise CannotStart(f"{prepared.command[0]}: not found", Ending.NOT_FOUND) from None
        except (OSError, ValueError) as error:
            fault = getattr(error, "strerror", None) or "it cannot be started"
            raise CannotStart(f"{prepared.command[0]}: {fault}", Ending.CANNOT_EXECUTE) from None
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """How it ended: its exit status, or 128 and the signal's number."""

    @property
    def pid(self) -> int:
        return self._process.pid

    def look(self) -> None:
        """Find out whether it has ended; called for each SIGCHLD."""
        code = self._process.poll()
        if code is not None and not self.status.done():
            self.status.set_result(code if code >= 0 else _SIGNAL_BASE - code)

    def pass_on(self, arrived: Arrived) -> None:
        """Pass a signal on unless the program got it too; stop with it where it stops a job."""
        if not (arrived.to_group and self._is_in_our_group()):
            self.send(arrived.number)
        if arrived.number in STOPPING:
            stop(arrived.number)

    def send(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            self._process.send_signal(number)

    def _is_in_our_group(self) -> bool:
        try:
            return os.getpgid(self.pid) == os.getpgrp()
        except ProcessLookupError:
            return True


def find_program(name: str, variables: Mapping[str, str]) -> None:
    """Raises CannotStart if there is no such program, before any credentials are fetched."""
    if shutil.which(name, path=variables.get("PATH")) is None:
        exists = os.sep in name and Path(name).exists()
        fault = "cannot be executed" if exists else "not found"
        raise CannotStart(f"{name}: {fault}", Ending.CANNOT_EXECUTE if exists else Ending.NOT_FOUND)


def _before_exec(mask: AbstractSet[int], parent: int) -> Callable[[], None]:
    """Return what the program's process does first."""
    control = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def prepare() -> None:
        if control is not None:
            control(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
            if os.getppid() != parent:
                os.kill(os.getpid(), signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    return prepare

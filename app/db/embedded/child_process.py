"""A child program that lives no longer than this process."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

from app.db.embedded.errors import StartAborted
from app.db.embedded.os_user import OsAccount

LAUNCHER = Path(__file__).with_name("launch.py")
ABORT_POLL_SECONDS = 0.1
# What the loader and the interpreter need. The rest of our environment holds settings, some of them
# secret.
INHERITED = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class Child:
    """A child process that dies with this process.

    It is started in a session of its own: a Ctrl-C in the terminal reaches us, and we stop it in
    order. The kernel kills it (SIGINT) when we die (Linux only; elsewhere the next start finds it).

    The kernel binds that to the *thread* that forked, so each child has a thread of its own, which
    starts it and then waits for it.

    `program`: path and arguments. `account`: the user it runs as, None for ours. `keep`:
    descriptors that it inherits. `text`: its standard input, at most a pipe's 64 KiB. `output`: the
    descriptor for its output and errors.
    """

    def __init__(
        self,
        program: Sequence[str],
        *,
        account: OsAccount | None,
        keep: Sequence[int],
        output: int,
        text: str = "",
    ) -> None:
        self.exited: Future[int] = Future()
        # Running, not pending: cancelling a task that waits for it must not cancel it.
        self.exited.set_running_or_notify_cancel()
        started: Future[subprocess.Popen[bytes]] = Future()

        def live() -> None:
            try:
                process = _launch(program, account, keep=keep, output=output, text=text)
            except BaseException as error:  # noqa: BLE001  # handed to the waiting thread
                started.set_exception(error)
                return
            started.set_result(process)
            self.exited.set_result(process.wait())

        name = f"child {Path(program[0]).name}"
        threading.Thread(target=live, name=name, daemon=True).start()
        self._process = started.result()

    @property
    def pid(self) -> int:
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        if not self.exited.done():
            self._process.send_signal(number)

    def ends_within(self, seconds: float) -> bool:
        try:
            self.exited.result(seconds)
        except TimeoutError:
            return False
        return True

    def wait(self, abort: threading.Event) -> int:
        """Return the exit status; end the child and raise StartAborted once `abort` is set."""
        try:
            while not self.ends_within(ABORT_POLL_SECONDS) and not abort.is_set():
                pass
        finally:
            if not self.exited.done():
                self.stop(fast=1, immediate=1)
        if abort.is_set():
            raise StartAborted
        return self.exited.result()

    def stop(self, *, fast: float, immediate: float) -> None:
        """End it: PostgreSQL's fast shutdown, then its immediate one, then SIGKILL (seconds each).

        After the last two, the next start recovers from the write-ahead log.
        """
        for number, seconds in ((signal.SIGINT, fast), (signal.SIGQUIT, immediate)):
            self.signal(number)
            if self.ends_within(seconds):
                return
        self.signal(signal.SIGKILL)
        self.exited.result()


def _launch(
    program: Sequence[str],
    account: OsAccount | None,
    *,
    keep: Sequence[int],
    output: int,
    text: str,
) -> "subprocess.Popen[bytes]":
    uid, gid = (str(account.uid), str(account.gid)) if account else ("-", "-")
    reader, writer = os.pipe()
    try:
        with os.fdopen(writer, "w") as pipe:
            pipe.write(text)
        return subprocess.Popen(  # noqa: S603  # our own launcher, no shell
            [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), uid, gid, *program],
            stdin=reader,
            stdout=output,
            stderr=output,
            pass_fds=tuple(keep),
            start_new_session=True,
            env={
                "LC_ALL": "C",
                "TZ": "UTC",
                **{name: os.environ[name] for name in INHERITED if name in os.environ},
            },
        )
    finally:
        os.close(reader)

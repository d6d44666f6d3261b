"""Stopping a process: by a signal, at any moment, once or repeatedly."""

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import suppress
from types import FrameType
from typing import Any, Self, TypeVar

import uvloop

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
T = TypeVar("T")


class Stopped(Exception):
    """The process was asked to stop before this was complete."""


class StopRequest:
    """Takes the three signals for the rest of the process's life.

    SIGHUP stays ignored where it was, as under nohup. The handlers only record that they were
    called, so a signal never interrupts anything half-way. They stay installed until the end, and
    then the signals are ignored: otherwise an impatient Ctrl-C while the interpreter shuts down
    would show a traceback.

        with StopRequest() as stop:
            status = stop.run(main(stop))
    """

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self._asked = False
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def asked(self) -> bool:
        return self._asked

    def ask(self) -> None:
        """Request a stop as a signal does, from any thread."""
        self._asked = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: there is nothing left to stop
                self._loop.call_soon_threadsafe(self.event.set)

    def run(self, main: Coroutine[Any, Any, int]) -> int:
        """Run `main` in a new event loop; return its exit status, 0 if it raises `Stopped`."""
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            self._loop = runner.get_loop()
            if self._asked:
                self.event.set()
            try:
                return runner.run(main)
            except Stopped:
                return 0

    async def unless_asked(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of `work`, or cancel it and raise `Stopped` if asked to stop."""
        working = asyncio.ensure_future(work)
        asked = asyncio.ensure_future(self.event.wait())
        try:
            await asyncio.wait([working, asked], return_when=asyncio.FIRST_COMPLETED)
        finally:
            asked.cancel()
            if not working.done():
                working.cancel()
                await asyncio.wait([working])
        if self._asked and (working.cancelled() or working.exception() is not None):
            raise Stopped  # an error during cancellation is irrelevant
        return working.result()

    def __enter__(self) -> Self:
        for number in SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.ask()

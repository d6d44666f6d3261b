"""An event loop in a thread of its own, for programs that are not asynchronous."""

import asyncio
import os
import threading
from asyncio import AbstractEventLoop
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar, final

_Result = TypeVar("_Result")

_CLOSED = "the client is closed"


@final
class LoopThread:
    """Runs coroutines for callers in other threads. Ends with the process if nobody stops it."""

    def __init__(self, name: str) -> None:
        self._process = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._closed = self._stopping = False
        # What begins before the end is cancelled by it; nothing begins after it.
        self._beginning = threading.Lock()
        self._thread = threading.Thread(target=_work, args=(self._loop,), name=name, daemon=True)
        self._thread.start()

    @property
    def closed(self) -> bool:
        """Whether the last work has begun."""
        return self._closed

    def begin(self, work: Coroutine[Any, Any, _Result], *, last: bool = False) -> Future[_Result]:
        """Begin the work on the loop. Raises RuntimeError where it could never end."""
        why = self._hopeless()
        if why is None:
            with self._beginning:
                if not self._closed:
                    self._closed = last
                    return asyncio.run_coroutine_threadsafe(work, self._loop)
        work.close()
        raise RuntimeError(why or _CLOSED)

    def run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Run the work to its end. A wait that is interrupted, as by Ctrl-C, cancels it."""
        return self.wait(self.begin(work))

    def wait(self, future: Future[_Result]) -> _Result:
        try:
            return future.result()
        except CancelledError:
            pass
        except BaseException:
            future.cancel()
            raise
        raise RuntimeError("the client was closed during this call")

    def stop(self) -> None:
        """Cancel whatever still runs, and wait for the thread's end."""
        if self._process != os.getpid():
            return
        with self._beginning:
            self._closed = True
            if not self._stopping:
                self._loop.call_soon_threadsafe(self._loop.stop)
            self._stopping = True
        # The garbage collector may call this in any thread.
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _hopeless(self) -> str | None:
        if self._process != os.getpid():
            return "the client was made before this process was forked: make one in each process"
        if self._closed:
            return _CLOSED
        if threading.current_thread() is self._thread:
            return "the client is called from its own thread, as in `clock`"
        return None


def _work(loop: AbstractEventLoop) -> None:
    try:
        loop.run_forever()
        loop.run_until_complete(_cancel_others())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)

"""What an event loop would still do for the service."""

import asyncio
from collections.abc import Iterator
from typing import Any

_ITS_OWN = "app."
_OTHERS = "app.simulator."


def background(loop: asyncio.AbstractEventLoop) -> list[object]:
    """Return the tasks and timers of this loop that run code of the service."""
    tasks = [task for task in asyncio.all_tasks(loop) if _is_ours(task.get_coro())]
    return [*tasks, *(timer for timer in _timers(loop) if _is_ours(timer._callback))]


def _timers(loop: Any) -> Iterator[Any]:
    return (timer for timer in loop._scheduled if not timer.cancelled())


def _is_ours(what: Any) -> bool:
    """Return whether a coroutine or a function comes from a module of the service."""
    frame = getattr(what, "cr_frame", None)
    name = frame.f_globals["__name__"] if frame is not None else getattr(what, "__module__", None)
    return name is not None and name.startswith(_ITS_OWN) and not name.startswith(_OTHERS)

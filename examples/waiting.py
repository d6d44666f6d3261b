"""For what happens soon after something else, in another process."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from examples.story import StepFailed

_Result = TypeVar("_Result")
_PATIENCE = 60.0
_TICK = 0.1


async def eventually(look: Callable[[], Awaitable[_Result]]) -> _Result:
    """What `look` gives once it raises no `StepFailed` any more; the last one after a minute."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _PATIENCE
    while True:
        try:
            return await look()
        except StepFailed:
            if loop.time() > until:
                raise
        await asyncio.sleep(_TICK)

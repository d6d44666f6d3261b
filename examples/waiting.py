"""Waits for what happens shortly afterwards in another process."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from examples.story import StepFailed

_Result = TypeVar("_Result")
_PATIENCE = 60.0
_TICK = 0.1


async def eventually(look: Callable[[], Awaitable[_Result]]) -> _Result:
    """Return the result of `look` once it raises no `StepFailed`; give up after a minute."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _PATIENCE
    while True:
        try:
            return await look()
        except StepFailed:
            if loop.time() > until:
                raise
        await asyncio.sleep(_TICK)

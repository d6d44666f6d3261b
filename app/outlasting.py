"""What goes on after its route is done: a stream, for an hour.

Around a route stand a dozen layers, and what it was called with; for as long as an answer is under
way each is kept. A thousand streams kept 15 MiB of that.
"""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.types import Receive, Scope, Send

Rest: TypeAlias = Callable[[Receive, Send], Awaitable[None]]

_PLACE = "outlasting"
_KEPT = {_PLACE, "request_id"}


def expect(scope: Scope) -> list[Rest]:
    """Say to the layers within that what goes on may be left here, to be gone on with."""
    rests: list[Rest] = []
    scope["state"][_PLACE] = rests
    return rests


async def go_on(scope: Scope, rest: Rest, receive: Receive, send: Send) -> None:
    """Leave it to who expects it, and else do it here."""
    state = scope.get("state", {})
    if _PLACE not in state:
        await rest(receive, send)
        return
    state[_PLACE].append(rest)
    for name in set(state) - _KEPT:
        del state[name]
    scope.pop("fastapi_middleware_astack", None)

"""Rejects a body that is too large when it is read, and not before.

A body that nobody reads does not matter: a caller without a token gets 401, and an unknown address
404, whatever size the body has.
"""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimitMiddleware:
    """A middleware that limits bodies to `limit` bytes.

    A body that announces more is rejected unread, a streamed one as soon as it exceeds the limit.
    The error is raised from `receive` as the framework's own with status 413, which body parsers
    let pass; `app.api.problems` turns it into a problem.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        # A server does not let numbers of more than ten digits pass, and they need not be
        # converted.
        too_large = announced.isdecimal() and int(announced[:10]) > self.limit
        received = 0

        async def receive_within_limit() -> Message:
            nonlocal received
            if too_large:
                raise HTTPException(413)
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.limit:
                raise HTTPException(413)
            return message

        await self.app(scope, receive_within_limit, send)

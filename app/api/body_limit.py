"""Refuses a body that is too large when something comes to read it, and not before.

A body that nobody reads is nobody's concern: a caller without a token is told so (401), and an
address that does not exist says that (404), whatever size the body has.
"""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimitMiddleware:
    """`limit` is in bytes. What is announced is refused unread, what is streamed once it is over.

    The refusal is raised from `receive` as the framework's own error of status 413, which body
    parsers let pass; `app.api.problems` gives it its words.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        # Beyond ten digits it is no number that a server has let pass, nor one to convert.
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

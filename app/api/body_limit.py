"""Rejects a body that is too large or holds too much when it is read, and not before.

A body that nobody reads does not matter: a caller without a token gets 401, and an unknown address
404, whatever size the body has.
"""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.kit.bounded_json import OutOfBounds

ORDINARY = 64 * 1024
"""The most bytes of a body on a route that does not take batches."""

FILE = 512 * 1024 * 1024
"""The most bytes of a body on a route that takes a file, which it reads piece by piece."""

_LIMIT = "botkeys.body_limit"


def allow_batches(scope: Scope) -> None:
    """Let the route read a body as large as the settings allow; call it before the body is read."""
    scope[_LIMIT].batches = True


def allow_file(scope: Scope) -> None:
    """Let the route read a file; call it before the body is read."""
    scope[_LIMIT].file = True


def body_limit(scope: Scope) -> int:
    """Return the limit of this request in bytes."""
    limit: BodyLimit = scope[_LIMIT]
    return limit.bytes


class BodyOutOfBounds(HTTPException):
    """A body that is refused while it is parsed. The framework lets its own errors pass."""

    def __init__(self, error: OutOfBounds) -> None:
        super().__init__(422)
        self.fault = {"loc": ["body"], "type": error.kind, "msg": str(error)}


class BodyLimit:
    """The limit of one request, which its route may raise."""

    __slots__ = ("_largest", "batches", "file")

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self.batches = False
        self.file = False

    @property
    def bytes(self) -> int:
        if self.file:
            return FILE
        return self._largest if self.batches else min(ORDINARY, self._largest)


def has_body(scope: Scope) -> bool:
    """Return whether the request announces a body that is not empty."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return value not in {b"", b"0"}
        if name == b"transfer-encoding":
            return True
    return False


def _announced(scope: Scope) -> int:
    """Return the announced length of the body, 0 if there is none."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            # A server does not let numbers of more than ten digits pass, and they need not be
            # converted.
            return int(value[:10]) if value.isdigit() else 0
    return 0


class BodyLimitMiddleware:
    """A middleware that limits bodies: to `largest` bytes on routes that take batches, to 512 MiB
    on routes that take a file, to 64 KiB on all others.

    A body that announces more is rejected unread, a streamed one as soon as it exceeds the limit.
    The error is raised from `receive` as the framework's own with status 413, which body parsers
    let pass; `app.api.problems` turns it into a problem.
    """

    def __init__(self, app: ASGIApp, largest: int) -> None:
        self.app = app
        self.largest = largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = scope[_LIMIT] = BodyLimit(self.largest)
        expected = _announced(scope)
        received = 0

        async def receive_within_limit() -> Message:
            nonlocal received
            if expected > limit.bytes:
                raise HTTPException(413)
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit.bytes:
                raise HTTPException(413)
            return message

        await self.app(scope, receive_within_limit, send)

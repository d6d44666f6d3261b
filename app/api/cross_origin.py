"""Lets pages of certain other origins call the API from a browser (CORS).

Only addresses below `/v1/` and the OpenAPI document: the dashboard's page and its sign-in are for
their own origin. Nobody may send cookies along: a page of another origin has a token.

Outermost, so that every answer can be read by the page that asked, those to failures included.
"""

from collections.abc import Callable, Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.kit.origins import is_loopback_origin

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
REQUEST_HEADERS = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "X-Request-ID",
    "traceparent",
    "tracestate",
)
"""What a page may send, beside what browsers permit anyway."""

RESPONSE_HEADERS = (
    "Allow",
    "Content-Disposition",
    "ETag",
    "Idempotency-Replayed",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-ID",
)
"""What a page may read of an answer, beside what browsers permit anyway."""

PREFLIGHT_SECONDS = 7200
"""How long a browser may go on without asking again: the most that any of them takes."""

_API = "/v1/"
_DOCUMENT = "/openapi.json"
_VARY = (b"vary", b"Origin")
_EXPOSED = (b"access-control-expose-headers", ", ".join(RESPONSE_HEADERS).encode())
_PERMITTED = (
    (b"access-control-allow-methods", ", ".join(METHODS).encode()),
    (b"access-control-allow-headers", ", ".join(REQUEST_HEADERS).encode()),
    (b"access-control-max-age", str(PREFLIGHT_SECONDS).encode()),
)
_ASKED = (b"vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers")


class CrossOriginMiddleware:
    """A middleware that answers browsers' preflights itself and marks all other answers.

    `origins` are permitted; `loopback`: so are all of this machine, on any port.
    """

    def __init__(self, app: ASGIApp, *, origins: Collection[str], loopback: bool) -> None:
        self.app = app
        named = frozenset(origins)
        self._permits: Callable[[str], bool] = (
            (lambda origin: origin in named or is_loopback_origin(origin))
            if loopback
            else named.__contains__
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _concerned(scope["path"]):
            await self.app(scope, receive, send)
            return
        origin, is_preflight = _asked(scope)
        added = [_VARY]
        if origin is not None and self._permits(origin.decode("latin-1")):
            allowed = (b"access-control-allow-origin", origin)
            if is_preflight:
                await _answer(send, 204, [allowed, *_PERMITTED, _ASKED])
                return
            added = [allowed, _EXPOSED, _VARY]
        elif is_preflight:
            await _answer(send, 403, [_ASKED])
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *added]
            await send(message)

        await self.app(scope, receive, marked)


def _concerned(path: str) -> bool:
    return path.startswith(_API) or path == _DOCUMENT


def _asked(scope: Scope) -> tuple[bytes | None, bool]:
    """Return the origin that a browser states, and whether it asks before its request."""
    origin, method = None, None
    for name, value in scope["headers"]:
        if name == b"origin":
            origin = value
        elif name == b"access-control-request-method":
            method = value
    return origin, origin is not None and method is not None and scope["method"] == "OPTIONS"


async def _answer(send: Send, status: int, headers: list[tuple[bytes, bytes]]) -> None:
    fixed = [(b"content-length", b"0")] if status != 204 else []  # no content
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": b""})

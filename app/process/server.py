"""Runs the server of one process of the service."""

import asyncio
import gc
import socket
from contextlib import AsyncExitStack, nullcontext, suppress

from fastapi import FastAPI, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.problems import problem_response
from app.api.route import EdgeRoute
from app.context import Context
from app.errors import OutcomeUnknown, Unavailable
from app.main import create_app, create_operations_app, use_context
from app.process.http_server import HttpServer
from app.process.listening import Sibling, listeners
from app.process.startup import open_context, start_logging
from app.process.stopping import StopRequest
from app.process.warming import warm
from app.settings import Role, Settings, SettingsError
from botkeys.core_dumps import forbid_core_dumps

_STOPPING = (
    "The service is stopping and aborted this request. Check whether the change was made, or send "
    "it again with the same Idempotency-Key."
)
_STOPPING_READ = "The service is stopping and aborted this request. Send it again."


class Server(HttpServer):
    """The server of the API, and of `BOTKEYS_OPERATIONS_PORT` if there is one."""

    def __init__(self, context: Context) -> None:
        self._app = create_app(context.settings, context.role, context=nullcontext(context))
        self._operations_port = context.settings.operations_port
        self._operations_app: FastAPI | None = None
        if self._operations_port is not None:
            self._operations_app = create_operations_app(context.settings, context.role)
            use_context(self._operations_app, context)
        super().__init__(self._answer, context.settings, paced=paced_requests(self._app))
        self._streams = context.config_publisher
        self._operations = context.operations
        self._events = context.event_streams

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        app: ASGIApp = self._app
        if self._operations_app is not None and scope["type"] == "http":
            _, port = scope["server"]
            if port == self._operations_port:
                app = self._operations_app
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            if not self.should_exit:
                raise
            # The stopping server cancels the request; by default it would respond with 500 and log
            # a traceback.
            reads = scope["method"] in {"GET", "HEAD"}
            error = Unavailable(_STOPPING_READ) if reads else OutcomeUnknown(_STOPPING)
            response = problem_response(error, Request(scope))
            with suppress(RuntimeError):  # the response has already begun
                await response(scope, receive, send)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        _spare_the_collector()

    async def end_streams(self) -> None:
        self._operations.close()
        await self._events.close()
        await self._streams.close()


def paced_requests(app: FastAPI) -> tuple[bytes, ...]:
    """Return how requests of paced routes begin: with a method and a path."""
    return tuple(
        f"{method} {route.path}".encode()
        for route in app.routes
        if isinstance(route, EdgeRoute) and route.access.paced
        for method in sorted(route.methods or ())
    )


def _spare_the_collector() -> None:
    """Exclude everything that exists at start from garbage collection, since it stays for good.

    A full collection took a tenth of a second, in which no request was answered; and a list creates
    more objects than the default threshold, nearly all of which are freed without the collector.
    What thousands of new streams are made of is looked at a little at a time, and not as a whole
    while they come.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 1, 150)


def run_server(settings: Settings, role: Role, sibling: Sibling | None = None) -> int:
    """Serve until SIGINT, SIGTERM or SIGHUP; return the exit status, 0 if asked to stop.

    As a `sibling`, serve beside others on the port that the supervisor listens on. Raises
    `SettingsError` and `KeyFileError` for what is missing or must not be present.
    """
    if settings.database_url is None:
        raise SettingsError(
            "BOTKEYS_DATABASE_URL is not set. `make run` starts its own database; this command "
            "does not."
        )
    forbid_core_dumps()
    start_logging(settings.log_level)
    with StopRequest() as stop:
        return stop.run(_serve(settings, role, stop, sibling))


async def _serve(settings: Settings, role: Role, stop: StopRequest, sibling: Sibling | None) -> int:
    # Opened before the server starts, so that errors are one sentence on the terminal.
    opening = open_context(settings, role)
    async with AsyncExitStack() as stack:
        context = await stop.unless_asked(stack.enter_async_context(opening))
        if context.runtime is not None:
            await stop.unless_asked(warm(context.database))
        server = Server(context)
        bound = stack.enter_context(listeners(settings, sibling))
        if sibling is not None:
            await stop.unless_asked(sibling.begin_together())
        serving = asyncio.create_task(server.serve(bound))
        await first(serving, stop.event)
        server.should_exit = True
        await serving
        return 0 if stop.asked else 1


async def first(*awaited: asyncio.Task[None] | asyncio.Event) -> None:
    """Wait until one of these tasks is done or one of these events is set."""
    waits = [
        asyncio.create_task(item.wait()) for item in awaited if isinstance(item, asyncio.Event)
    ]
    tasks = [item for item in awaited if isinstance(item, asyncio.Task)]
    await asyncio.wait([*tasks, *waits], return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()

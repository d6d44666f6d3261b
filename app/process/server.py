"""Runs uvicorn for one process of the service."""

import asyncio
import gc
import resource
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, nullcontext, suppress
from functools import partial
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.problems import problem_response
from app.context import Context
from app.errors import OutcomeUnknown, Unavailable
from app.main import create_app, create_operations_app, use_context
from app.process.connections import Connections, Timeouts, TrustedProxies, most_connections
from app.process.draining import close_port, end_connections
from app.process.http_protocol import HttpProtocol
from app.process.listening import Sibling, listeners
from app.process.startup import open_context, start_logging
from app.process.stopping import StopRequest
from app.settings import Role, Settings, SettingsError
from botkeys.core_dumps import forbid_core_dumps

_GRACE = 5
OPEN_FILES = 65_536

_STOPPING = (
    "The service is stopping and aborted this request. Check whether the change was made, or send "
    "it again with the same Idempotency-Key."
)
_STOPPING_READ = "The service is stopping and aborted this request. Send it again."


def uvicorn_options(settings: Settings) -> dict[str, Any]:
    """Return the options for uvicorn, which the benchmarks' floor uses too."""
    return {
        "host": settings.host,
        "port": settings.port,
        "loop": "uvloop",
        "http": "httptools",
        "ws": "none",
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "date_header": True,
        "proxy_headers": bool(settings.trusted_proxies),
        "forwarded_allow_ips": list(settings.trusted_proxies),
        "timeout_graceful_shutdown": _GRACE,
    }


class Server(uvicorn.Server):
    """A uvicorn server without signal handling: a `StopRequest` sets `should_exit`.

    `ready` is set once requests are answered, or it is certain that none will be.
    """

    def __init__(self, context: Context) -> None:
        allow_many_connections()
        self._app = create_app(context.settings, context.role, context=nullcontext(context))
        self._operations_port = context.settings.operations_port
        self._operations_app: FastAPI | None = None
        if self._operations_port is not None:
            self._operations_app = create_operations_app(context.settings, context.role)
            use_context(self._operations_app, context)
        options = uvicorn_options(context.settings)
        self._connections = Connections(
            timeouts(context.settings),
            most=most_connections(context.settings),
            most_per_address=context.settings.connections_per_address,
            trusted=TrustedProxies(context.settings),
        )
        options["http"] = partial(HttpProtocol, connections=self._connections)
        super().__init__(uvicorn.Config(self._answer, interface="asgi3", **options))
        self.ready = asyncio.Event()
        self._streams = context.config_publisher
        self._operations = context.operations
        self._events = context.event_streams

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

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
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop without losing a request."""
        self._connections.stopping = True
        await close_port(self.servers, sockets or (), self._connection)
        # Other requests end by themselves and are awaited; streams would continue for an hour.
        self._operations.close()
        await self._events.close()
        await self._streams.close()
        await end_connections(
            self.server_state, seconds=self.config.timeout_graceful_shutdown or _GRACE
        )
        await self.lifespan.shutdown()

    def _connection(self) -> asyncio.Protocol:
        return HttpProtocol(
            self.config, self.server_state, self.lifespan.state, connections=self._connections
        )


def timeouts(settings: Settings) -> Timeouts:
    return Timeouts(
        head=settings.request_head_timeout,
        body=settings.request_body_timeout,
        keep_alive=settings.keep_alive_timeout,
    )


def allow_many_connections() -> None:
    """Raise the limit of open files: each stream needs one, and many systems default to 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _spare_the_collector() -> None:
    """Exclude everything that exists at start from garbage collection, since it stays for good.

    A full collection took a tenth of a second, in which no request was answered; and a list creates
    more objects than the default threshold, nearly all of which are freed without the collector.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


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
        server = Server(context)
        bound = stack.enter_context(listeners(settings, sibling))
        serving = asyncio.create_task(server.serve(bound))
        if sibling is not None:
            await first(serving, stop.event, server.ready)
            sibling.report(ready=server.started)
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

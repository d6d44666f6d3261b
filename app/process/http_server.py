"""What every port of a process has in common: uvicorn, its limits, and how it stops."""

import asyncio
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from app.process.connections import Connections, Timeouts, TrustedProxies, most_connections
from app.process.draining import close_port, end_connections
from app.process.http_protocol import HttpProtocol
from app.process.listening import BACKLOG
from app.settings import Settings

_GRACE = 5
OPEN_FILES = 65_536


def uvicorn_options(settings: Settings) -> dict[str, Any]:
    """Return the options for uvicorn, which the benchmarks' floor uses too."""
    return {
        "host": settings.host,
        "port": settings.port,
        "backlog": BACKLOG,
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


class HttpServer(uvicorn.Server):
    """A uvicorn server without signal handling: a `StopRequest` sets `should_exit`.

    `ready` is set once requests are answered, or it is certain that none will be. Requests that
    begin with one of `paced` come by the thousand at once, and are read a few at a time.
    """

    def __init__(self, app: ASGIApp, settings: Settings, *, paced: tuple[bytes, ...] = ()) -> None:
        allow_many_connections()
        options = uvicorn_options(settings)
        self._connections = Connections(
            timeouts(settings),
            most=most_connections(settings),
            most_per_address=settings.connections_per_address,
            trusted=TrustedProxies(settings),
            paced=paced,
            operations_port=settings.operations_port,
        )
        options["http"] = partial(HttpProtocol, connections=self._connections)
        super().__init__(uvicorn.Config(app, interface="asgi3", **options))
        self.ready = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def end_streams(self) -> None:
        """End what would go on for an hour; other requests end by themselves and are awaited."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop without losing a request."""
        self._connections.stopping = True
        await close_port(self.servers, sockets or (), self._connection)
        await self.end_streams()
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

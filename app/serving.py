"""Runs uvicorn for one process of the service."""

import ctypes
import resource
import socket
import sys
from contextlib import suppress
from typing import Any

import uvicorn

from app.logging import configure_logging
from app.main import create_app
from app.settings import Role, Settings, SettingsError
from app.startup import prepare_key_folder

_GRACE = 5
_PR_SET_DUMPABLE = 4


def forbid_core_dumps() -> None:
    """A crash must not write the memory of this process, secrets included, to a disk."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # A pipe named in core_pattern ignores the limit; this it does not.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def uvicorn_options(settings: Settings) -> dict[str, Any]:
    """How uvicorn is run, whatever it serves: the benchmarks' floor is run the same way."""
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


def server_config(settings: Settings, role: Role) -> uvicorn.Config:
    return uvicorn.Config(create_app(settings, role), **uvicorn_options(settings))


def listen(settings: Settings) -> socket.socket:
    """Take the port before anything else is started. Raises `SettingsError` if it is taken."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"Cannot listen on {settings.host} port {settings.port}: {error.strerror}. "
            "Set BOTKEYS_PORT to a free port, or stop what uses this one."
        ) from None
    return listener


def run_server(settings: Settings, role: Role) -> None:
    """Serve until SIGINT or SIGTERM."""
    if settings.database_url is None:
        raise SettingsError(
            "BOTKEYS_DATABASE_URL is not set. `make run` brings a database of its own; this "
            "command does not."
        )
    forbid_core_dumps()
    configure_logging(settings.log_level)
    # Checked here as well, so that what is missing is told in a sentence and not in a log line.
    prepare_key_folder(settings, role)
    server = uvicorn.Server(server_config(settings, role))
    with suppress(KeyboardInterrupt):  # uvicorn raises the signal again once it has stopped
        server.run(sockets=[listen(settings)])
    if not server.started:
        sys.exit(1)

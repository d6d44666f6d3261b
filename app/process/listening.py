"""The ports of a process: bound before anything else is opened, or inherited."""

import asyncio
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from app.settings import Settings, SettingsError

BACKLOG = 4096
"""Connections that may wait to be accepted, as many as Linux allows by default: what comes beyond
tries again after a second, and then after three.
"""
UNTAKEN_SECONDS = 30
"""How long a connection lives if the peer does not acknowledge what it was sent."""


@dataclass(frozen=True, slots=True)
class Sibling:
    """What a process of several gets from the one that supervises them: three descriptors.

    `listener` is the port that all of them accept connections from; `ready` and `begin` are pipes.
    """

    listener: int
    ready: int
    begin: int

    async def begin_together(self) -> None:
        """Say that this process is ready, and return when it may accept connections."""
        report(self.ready)
        await reported(self.begin)


def report(descriptor: int) -> None:
    """Write to the pipe for the one who waits at its other end, if there still is one; close it."""
    with suppress(BrokenPipeError):
        os.write(descriptor, b"\n")
    os.close(descriptor)


async def reported(descriptor: int) -> bool:
    """Wait until something is written to the pipe, and close it; `False` if nothing ever is."""
    reader = asyncio.StreamReader()
    with os.fdopen(descriptor, "rb", buffering=0) as pipe:
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            return bool(await reader.read(1))
        finally:
            transport.close()


@contextmanager
def listeners(settings: Settings, sibling: Sibling | None = None) -> Iterator[list[socket.socket]]:
    """Bind all ports of the process, and close them at the end; raise `SettingsError`.

    A `sibling` has the port for requests from its supervisor.
    """
    with ExitStack() as stack:
        first = listen(settings) if sibling is None else socket.socket(fileno=sibling.listener)
        bound = [stack.enter_context(first)]
        bound += stack.enter_context(operations_listeners(settings))
        yield bound


@contextmanager
def operations_listeners(settings: Settings) -> Iterator[list[socket.socket]]:
    """Bind the port for operators, if there is one; raise `SettingsError` if it is taken."""
    host, port = settings.operations_host, settings.operations_port
    if port is None:
        yield []
        return
    with _listen(host, port, "BOTKEYS_OPERATIONS_PORT") as bound:
        yield [bound]


def listen(settings: Settings) -> socket.socket:
    """Bind the port before anything else is started; raise `SettingsError` if it is taken."""
    return _listen(settings.host, settings.port, "BOTKEYS_PORT")


def _listen(host: str, port: int, setting: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sys.platform == "linux":
            # Each connection inherits it. Otherwise a peer that vanished, or does not read its
            # stream, would keep its place for a quarter of an hour, or indefinitely.
            milliseconds = UNTAKEN_SECONDS * 1000
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        listener.bind((host, port))
        # A socket that is only bound would let another process take the port with this option set.
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"Cannot listen on {host} port {port}: {error.strerror}. "
            f"Set {setting} to a free port, or stop the process that uses this one."
        ) from None
    return listener

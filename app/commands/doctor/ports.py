"""The ports: free, or of a Botkeys process, and what that says of itself."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

from app.auth.strict_json import NotAnObject, read_object
from app.commands.doctor.blocking import in_thread
from app.commands.doctor.finding import Finding, fault, ok, warning
from app.commands.doctor.part import Subject
from app.process.data_folder import DataFolder
from botkeys.transport.client import HttpTransport, TransportError, TransportLimits

NAME = "port"
_LIMITS = TransportLimits(attempts=1, connect_timeout=1, read_timeout=3, total_timeout=4)
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104
_READY = {200, 503}


async def look(subject: Subject) -> AsyncIterator[Finding]:
    settings = subject.settings
    if subject.role is not None:
        port = settings.port
        running = DataFolder(settings.data_dir).running() if subject.embedded else None
        if running is not None and running.port not in {None, port}:
            port = running.port or port
            yield warning(
                NAME,
                f"`botkeys dev` runs on {port} with this data folder, not on BOTKEYS_PORT.",
                f"Set BOTKEYS_PORT={port} here too.",
            )
        async for finding in _port(NAME, settings.host, port, "BOTKEYS_PORT"):
            yield finding
    if settings.operations_port is not None:
        name = "BOTKEYS_OPERATIONS_PORT"
        host, port = settings.operations_host, settings.operations_port
        async for finding in _port("operations port", host, port, name):
            yield finding


async def _port(check: str, host: str, port: int, variable: str) -> AsyncIterator[Finding]:
    problem = await in_thread(lambda: _unusable(host))
    if problem is not None:
        setting = variable.replace("PORT", "HOST")
        yield fault(check, f"{setting} is not an address of this machine ({problem}).")
        return
    if port == 0 or not await _listens(host, port):
        yield ok(check, f"{port or 'Any port'} is free: no process runs here.")
        return
    async with HttpTransport(_LIMITS) as transport:
        address = f"http://{_authority(host)}:{port}"
        if not await _is_ours(transport, address):
            yield fault(
                check,
                f"Another program listens on {port}.",
                f"Set {variable} to a free port, or stop that program.",
            )
            return
        async for finding in _readiness(transport, check, address, port):
            yield finding


async def _readiness(
    transport: HttpTransport, check: str, address: str, port: int
) -> AsyncIterator[Finding]:
    """Yield what a running process says of itself, where it does so on this port."""
    with suppress(TransportError, NotAnObject):
        answer = await transport.request("GET", f"{address}/readyz")
        checks = read_object(answer.body).get("checks") if answer.status in _READY else None
        if isinstance(checks, dict):
            bad = [f"{name}: {result}" for name, result in checks.items() if result != "ok"]
            if answer.status == max(_READY):
                yield fault(
                    check,
                    f"A process of Botkeys runs on {port} and is not ready: {'; '.join(bad)}.",
                )
                return
            aside = f" ({'; '.join(bad)})" if bad else ""
            yield ok(check, f"A process of Botkeys runs on {port} and is ready{aside}.")
            return
    yield ok(check, f"A process of Botkeys runs on {port}.")


def _unusable(host: str) -> str | None:
    """Return why nothing can listen at this address, `None` if something can."""
    try:
        found = socket.getaddrinfo(host or None, 0, type=socket.SOCK_STREAM)
        family, kind, _, _, address = found[0]
        with socket.socket(family, kind) as trial:
            trial.bind(address)
    except (OSError, UnicodeError) as error:
        return type(error).__name__
    return None


async def _listens(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.wait_for(
            asyncio.open_connection(_EVERYWHERE.get(host, host), port), 1
        )
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def _is_ours(transport: HttpTransport, address: str) -> bool:
    try:
        answer = await transport.request("GET", f"{address}/livez")
        return answer.status == 200 and read_object(answer.body) == {"status": "ok"}
    except (TransportError, NotAnObject):
        return False


def _authority(host: str) -> str:
    here = _EVERYWHERE.get(host, host)
    return f"[{here}]" if ":" in here else here

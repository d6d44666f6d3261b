"""Connects to whichever host of an address takes writes, without waiting for dead ones."""

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

from app.db.lending import Driver

HEAD_START = 0.2
"""Seconds that the host which was right last time has before the others are asked too."""

AGAIN = 0.3
"""Seconds after which a host that refused is asked again while another one is silent: a standby
may be taking over from that one.
"""

_UNACKNOWLEDGED_MILLISECONDS = 3_000
"""How long what was sent may stay without an acknowledgement: only a dead host takes so long, and a
server that is busy, or paused, does not.
"""

_PORT = 5432


def spread_hosts(url: str) -> str:
    """Return an address with several hosts (`//login@a,b:5433/name`) in SQLAlchemy's form.

    The service writes, so a standby is of no use to it unless the address says otherwise.
    """
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    login, at, hosts = authority.rpartition("@")
    if "," not in hosts:
        return url
    name, _, query = path.partition("?")
    members = [query] if query else []
    for host in hosts.split(","):
        has_port = host.rpartition(":")[2].isdecimal() and not host.endswith("]")
        members.append(f"host={host if has_port else f'{host}:{_PORT}'}")
    if "target_session_attrs=" not in query:
        members.append("target_session_attrs=read-write")
    return f"{scheme}{separator}{login}{at}{slash or '/'}{name}?{'&'.join(members)}"


class Connector:
    """Makes connections of one pool; the driver's `connect` with several hosts tried at once."""

    def __init__(self, connect: Callable[..., Awaitable[Driver]] = asyncpg.connect) -> None:
        self._connect = connect
        self._preferred = 0

    async def __call__(self, **options: Any) -> Driver:
        """Return a connection; raise what the driver raises for the host that answered last."""
        hosts = options.pop("host", None)
        if not isinstance(hosts, list):
            if hosts is not None:
                options["host"] = hosts
            return _impatient(await self._connect(**options))
        ports = options.pop("port")
        places = zip(hosts, ports, strict=True)
        choices = [{**options, "host": host, "port": port} for host, port in places]
        async with asyncio.timeout(options.get("timeout")):
            self._preferred, connection = await self._first(choices)
        return _impatient(connection)

    async def _first(self, choices: list[dict[str, Any]]) -> tuple[int, Driver]:
        """Return the number of the first host that gives a connection, and the connection.

        Raises what one host raised once every host has refused.
        """
        refused: set[int] = set()

        async def ask(number: int) -> Driver:
            await asyncio.sleep(0 if number == self._preferred else HEAD_START)
            while True:
                try:
                    return await self._connect(**choices[number])
                except Exception:
                    # Whatever is wrong with one host, another may be the one that takes writes.
                    refused.add(number)
                    if len(refused) == len(choices):
                        raise
                await asyncio.sleep(AGAIN)

        tasks = [asyncio.create_task(ask(number)) for number in range(len(choices))]
        connection: Driver | None = None
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            first = next((task for task in done if task.exception() is None), None) or done.pop()
            connection = first.result()
            return tasks.index(first), connection
        finally:
            for task in tasks:
                task.cancel()
            for other in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(other, asyncpg.Connection) and other is not connection:
                    other.terminate()


def _impatient(connection: Driver) -> Driver:
    """Have the system end the connection if the server's host does not acknowledge what is sent."""
    transport: Any = connection._transport  # type: ignore[attr-defined]  # noqa: SLF001  # no public way
    peer = transport.get_extra_info("socket")
    if sys.platform == "linux" and peer.family != socket.AF_UNIX:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MILLISECONDS)
    return connection

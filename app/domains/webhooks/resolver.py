"""Looks up names of hosts, however slowly their servers answer.

The system's own look-up blocks a thread, and the name servers of a stranger can make it do so for
half a minute. So each look-up has a thread of its own that nobody waits for at the end, one at a
time for each name and port.
"""

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

MOST = 128
"""Look-ups at once; further ones wait, and fail at their deadline."""

LookUp = Callable[[str, int], list[str]]


def system_look_up(host: str, port: int) -> list[str]:
    """Return the addresses that the system knows of this name, in its order."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Resolver:
    """The look-ups of one event loop."""

    def __init__(self, look_up: LookUp = system_look_up, most: int = MOST) -> None:
        self._look_up = look_up
        self._free = asyncio.Semaphore(most)
        self._pending: dict[tuple[str, int], asyncio.Future[list[str]]] = {}

    async def addresses(self, host: str, port: int) -> list[str]:
        """Return a name's addresses; raise `OSError` if there are none."""
        try:
            return [str(ip_address(host))]
        except ValueError:
            pass
        place = (host, port)
        pending = self._pending.get(place)
        if pending is None:
            # Another caller may begin while this one waits: a second look-up is harmless.
            await self._free.acquire()
            pending = self._begin(place)
        return await asyncio.shield(pending)

    def _begin(self, place: tuple[str, int]) -> asyncio.Future[list[str]]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[str]] = loop.create_future()
        self._pending[place] = future

        def end(found: list[str] | BaseException) -> None:
            self._free.release()
            if self._pending.get(place) is future:
                del self._pending[place]
            if isinstance(found, BaseException):
                future.set_exception(found)
                future.exception()  # perhaps nobody waits any more
            else:
                future.set_result(found)

        def work() -> None:
            found: Any
            try:
                found = self._look_up(*place)
            except (OSError, UnicodeError) as error:
                found = error if isinstance(error, OSError) else OSError("not a name")
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(end, found)

        threading.Thread(target=work, name="botkeys-look-up", daemon=True).start()
        return future

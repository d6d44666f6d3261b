"""A line to PostgreSQL that breaks at a chosen moment, as networks, servers and poolers do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from sqlalchemy import make_url

_SECONDS = 20.0


class Break(StrEnum):
    """How a line breaks when the service has sent something."""

    BEFORE = "before"
    """The server never gets it."""
    AFTER = "after"
    """The server gets it and answers, but nothing arrives."""
    WITHIN = "within"
    """A part of the answer arrives."""
    ENDED = "ended"
    """The server says that it is being shut down, and does not carry it out."""


# ErrorResponse: FATAL 57P01, as PostgreSQL words it.
_FIELDS = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"
_SHUTDOWN = b"E" + (len(_FIELDS) + 4).to_bytes(4, "big") + _FIELDS


@dataclass(slots=True)
class FragileLine:
    """A line that is whole until `arm`. `fired`: it has broken since; `sent`: messages since."""

    upstream: tuple[str | None, int, str | None]
    url: str = ""
    how: Break | None = None
    at: int = 0
    containing: bytes = b""
    sent: int = 0
    fired: bool = False
    down: bool = False
    """Whether every new connection is closed at once."""
    stays_down: bool = False
    """Whether it goes down as it breaks."""
    silent: bool = False
    """Whether answers are swallowed."""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def arm(
        self, how: Break, at: int, *, containing: bytes = b"", stays_down: bool = False
    ) -> None:
        """Break at the message of this number, from 1, counting only messages with these bytes."""
        self.how, self.at, self.sent, self.fired = how, at, 0, False
        self.containing, self.stays_down = containing, stays_down

    def repair(self) -> None:
        self.how, self.down, self.stays_down = None, False, False

    def _is_due(self, data: bytes) -> bool:
        if self.how is None or self.fired or self.containing not in data:
            return False
        self.sent += 1
        self.fired = self.sent == self.at
        self.down |= self.fired and self.stays_down
        return self.fired

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection to its end."""
        folder, port, host = self.upstream
        if self.down:
            writer.close()
            return
        if folder is not None:
            to_server = await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.{port}")
        else:
            to_server = await asyncio.open_connection(host, port)
        answers = asyncio.ensure_future(self._answer(to_server[0], writer))
        try:
            while data := await reader.read(65_536):
                if not self._is_due(data):
                    to_server[1].write(data)
                    continue
                answers.cancel()
                await asyncio.wait([answers])
                await self._break(data, to_server, writer)
                return
        except OSError:
            pass
        finally:
            answers.cancel()
            for end in (writer, to_server[1]):
                end.close()

    async def _break(
        self,
        data: bytes,
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        client: asyncio.StreamWriter,
    ) -> None:
        if self.how is Break.ENDED:
            client.write(_SHUTDOWN)
            await client.drain()
        elif self.how is not Break.BEFORE:
            server[1].write(data)
            answer = await asyncio.wait_for(server[0].read(65_536), _SECONDS)
            if self.how is Break.WITHIN:
                client.write(answer[: max(1, len(answer) // 2)])
                await client.drain()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                if not self.silent:
                    writer.write(data)
                    await writer.drain()
            writer.close()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self.carry(reader, writer)
        except asyncio.CancelledError:
            writer.close()
        finally:
            self._tasks.discard(task)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()


@asynccontextmanager
async def fragile_line(url: str, folder: Path) -> AsyncIterator[FragileLine]:
    """Yield a line to the server of this address; `folder` is for its socket."""
    parsed = make_url(url)
    where = parsed.query.get("host")
    port = int(str(parsed.query.get("port") or parsed.port or 5432))
    line = FragileLine((str(where) if where else None, port, parsed.host))
    server = await asyncio.start_unix_server(line.accept, folder / ".s.PGSQL.5432")
    query = {**parsed.query, "host": str(folder), "port": "5432"}
    line.url = parsed.set(host=None, port=None, query=query).render_as_string(hide_password=False)
    try:
        yield line
    finally:
        server.close()
        line.close()

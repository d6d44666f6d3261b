"""HTTP/1.1 over one kept connection, read as little as possible: a response's status and length."""

import asyncio
from collections.abc import Callable
from typing import Self, cast

_NO_CONTENT = 204
_NOT_MODIFIED = 304


class NotAnswered(Exception):
    """A response with another status, or a broken connection: such a run measures nothing."""


class Connection(asyncio.Protocol):
    """One connection with one request at a time; `answered` is called after its last byte."""

    def __init__(
        self,
        status: int,
        answered: Callable[["Connection"], None],
        failed: asyncio.Future[None],
    ) -> None:
        self.body_bytes = 0
        self._status = status
        self._answered = answered
        self._failed = failed
        self._transport: asyncio.Transport | None = None
        self._missing = 0
        self._head = b""
        self._closed = False

    @classmethod
    async def open(
        cls,
        port: int,
        status: int,
        answered: Callable[["Connection"], None],
        failed: asyncio.Future[None],
    ) -> Self:
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_connection(
            lambda: cls(status, answered, failed), "127.0.0.1", port
        )
        return protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes) -> None:
        """Send a request, unless the connection is gone: `failed` has the reason then."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if not self._missing:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            try:
                self.body_bytes = _length(self._head[:end], self._status)
            except NotAnswered as error:
                self._fail(error)
                return
            self._missing = end + 4 + self.body_bytes
            data, self._head = self._head, b""
        self._missing -= len(data)
        if self._missing == 0:
            self._answered(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closed:
            self._fail(NotAnswered(f"the connection was closed ({type(exc).__name__})"))

    def close(self) -> None:
        if self._transport is not None:
            self._closed = True
            self._transport.abort()

    def _fail(self, error: NotAnswered) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)


def _length(head: bytes, status: int) -> int:
    """Return the length of the body; raise `NotAnswered`."""
    first, _, rest = head.partition(b"\r\n")
    if not first.startswith(b"HTTP/1.1 %d" % status):
        raise NotAnswered(f"the answer was {first.decode('latin-1')}")
    if status in {_NOT_MODIFIED, _NO_CONTENT}:
        return 0
    for line in rest.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise NotAnswered("the answer has no content-length")

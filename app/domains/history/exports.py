"""Streams whole lists as files while they are read, with a quota."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Protocol
from uuid import UUID
from weakref import finalize

import structlog
from fastapi.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from app.api.quota import ConcurrencyQuota
from app.domains.history.export_formats import Lines

IN_ALL = 4
OF_ONE_ACCOUNT = 2
PATIENCE_SECONDS = 60
"""How long the client may take to accept one chunk."""

_TOO_MANY = "This account has reached its limit of concurrent exports. Wait until one is done."
_BUSY = "The service has reached its limit of concurrent exports. Try again in a few seconds."

Pages = AsyncGenerator[list[dict[str, Any]], None]
log = structlog.get_logger("botkeys.exports")


class ExportQuota(ConcurrencyQuota):
    """The quota of exports in a process: each keeps the database and a processor busy."""

    def __init__(self) -> None:
        super().__init__(IN_ALL, OF_ONE_ACCOUNT, too_many=_TOO_MANY, busy=_BUSY)


class Exporter(Protocol):
    """The function `export`, bound to the quota and the caller of one request."""

    async def __call__(
        self, pages: Pages, lines: Lines, *, media_type: str, filename: str
    ) -> "Export": ...


class _NotTaken(Exception):
    """The client accepts nothing of what is sent to it."""


async def export(
    quota: ExportQuota,
    account_id: UUID,
    pages: Pages,
    lines: Lines,
    *,
    media_type: str,
    filename: str,
) -> "Export":
    """Return the response. Its first page is read beforehand, so that a failure is still a
    problem.
    """
    quota.take(account_id)
    try:
        first = await anext(pages)
    except BaseException:
        quota.give_back(account_id)
        raise
    body = _body(first, pages, lines)
    return Export(body, quota, account_id, media_type=media_type, filename=filename)


async def _body(first: list[dict[str, Any]], rest: Pages, lines: Lines) -> AsyncGenerator[bytes]:
    yield lines.begin() + lines.write(first)
    async for page in rest:
        if page:
            yield lines.write(page)


class Export(StreamingResponse):
    """A response that is sent page by page: the next page is read once the last was accepted.

    A failure on the way is raised: the server then closes the connection without ending the body,
    so no client mistakes the part for the whole.
    """

    def __init__(
        self,
        body: AsyncIterator[bytes],
        quota: ExportQuota,
        account_id: UUID,
        *,
        media_type: str,
        filename: str,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        headers = {"Content-Disposition": f'attachment; filename="{filename}"', "Vary": "Accept"}
        super().__init__(body, media_type=media_type, headers=headers)
        # Also released when the response is discarded unsent.
        self._give_back = finalize(self, quota.give_back, account_id)
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            try:
                async with asyncio.timeout(self._patience):
                    await send(message)
            except TimeoutError:
                raise _NotTaken from None

        try:
            await super().__call__(scope, receive, send_in_time)
        except _NotTaken:
            log.warning("export_not_read")
        finally:
            self._give_back()

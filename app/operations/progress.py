"""The progress of an operation as server-sent events."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from starlette.types import Message, Receive, Scope, Send

from app.db.reading import Reader
from app.jsontext import dumps
from app.operations.documents import FINISHED, document_etag, operation_document
from app.operations.repository import OperationRow, read_operation
from app.runtime.streams import StreamLimits

RECONNECT_MILLISECONDS = 1000
LOOK_SECONDS = 1.0


class OperationEvents(EventSourceResponse):
    """Looks at the row every second, and tells of it when it changed, until it has ended."""

    def __init__(
        self, reader: Reader, account_id: UUID, row: OperationRow, limits: StreamLimits
    ) -> None:
        # Proxies that gather answers before they pass them on are told not to (nginx).
        super().__init__(
            _events(reader, account_id, row, limits), headers={"X-Accel-Buffering": "no"}
        )
        self._patience = limits.patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(self._patience):
                await send(message)

        try:
            await super().__call__(scope, receive, send_in_time)
        except TimeoutError:
            """Whoever takes nothing for so long connects again if it still wants to know."""


async def _events(
    reader: Reader, account_id: UUID, first: OperationRow, limits: StreamLimits
) -> AsyncIterator[bytes]:
    now = asyncio.get_running_loop().time
    until, quiet_since = now() + limits.lifetime, now()
    yield format_sse_event(retry=RECONNECT_MILLISECONDS)
    row: OperationRow | None = first
    told = None
    while row is not None:
        document = operation_document(row)
        tag = document_etag(document)
        if tag != told:
            told, quiet_since = tag, now()
            data = dumps(document).decode()
            yield format_sse_event(event="operation", id=tag.strip('"'), data_str=data)
        elif now() - quiet_since >= limits.keep_alive:
            quiet_since = now()
            yield KEEPALIVE_COMMENT
        left = until - now()
        if row.status in FINISHED or left <= 0:
            return
        await asyncio.sleep(min(LOOK_SECONDS, left))
        row = await read_operation(reader, account_id, row.id)

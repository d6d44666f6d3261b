"""Hears of accounts that other processes close, so that their tokens are refused at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from sqlalchemy import URL

from app.db.notifications import CLOSURES
from app.domains.accounts.status import AccountStatusCache
from app.domains.runtime.stream.listener import listen


@asynccontextmanager
async def watched_closures(statuses: AccountStatusCache, url: URL) -> AsyncIterator[None]:
    """Forget each account that is closed. Without a connection, the cache rereads as it ages."""
    listening = asyncio.create_task(
        listen(url, statuses.closed, statuses.forget_all, channel=CLOSURES)
    )
    try:
        yield
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening

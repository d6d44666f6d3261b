"""Refresh of all catalogues that were ever looked at, those in use first."""

import asyncio

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.domains.catalogue.refresher import CatalogueRefresher
from app.domains.catalogue.repository import CatalogueKey, CatalogueRepository
from app.worker.watch import beat


async def refresh_due(
    sessions: async_sessionmaker[AsyncSession], catalogues: CatalogueRefresher
) -> int:
    """Refresh all catalogues that are due, concurrently; return how many were.

    Exchanges do not wait for one another.
    """
    async with sessions() as session:
        due = await CatalogueRepository(session=session).due(catalogues.intervals.prices)

    async def refreshed(name: CatalogueKey) -> None:
        await catalogues.refresh(name)
        beat()

    await asyncio.gather(*(refreshed(name) for name in due))
    return len(due)

"""The instruments of a key, and how fresh they are."""

import math
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.api.pagination import Page
from app.domains.catalogue.errors import RefreshLimited
from app.domains.catalogue.instrument_repository import InstrumentReader, InstrumentRow
from app.domains.catalogue.refresher import RETRY_SECONDS, CatalogueRefresher, just_tried
from app.domains.catalogue.repository import CatalogueKey, CatalogueRepository, State
from app.errors import NotFound

_STALE_AFTER = 3


@dataclass(frozen=True, slots=True)
class Freshness:
    """How fresh a catalogue is. `reason` is why the last attempt failed, `None` if it did not."""

    fetched_at: datetime | None
    stale: bool
    reason: str | None


@dataclass(frozen=True, slots=True)
class InstrumentPage:
    """A page of instruments, by rank and symbol."""

    page: Page[InstrumentRow, tuple[int, str]]
    freshness: Freshness


class CatalogueService:
    """The catalogue that one of the caller's keys belongs to."""

    def __init__(
        self,
        *,
        session: AsyncSession,
        catalogue: CatalogueRepository,
        listing: InstrumentReader,
        refresher: CatalogueRefresher,
    ) -> None:
        self._session = session
        self._catalogue = catalogue
        self._listing = listing
        self._refresher = refresher

    async def instruments(
        self, key_id: UUID, search: str, after: tuple[int, str] | None, limit: int
    ) -> InstrumentPage:
        """Return a page. A catalogue never fetched before is fetched now, once for all callers."""
        name = await self._name(key_id)
        state = await self._catalogue.state(name)
        if state is None or _worth_waiting(state):
            await self._refresh(name)
            state = await self._catalogue.state(name)
        rows = await self._listing.page(name, key_id, search, after, limit + 1)
        page = Page.cut(rows, limit, attrgetter("rank", "symbol"))
        return InstrumentPage(page, self._fresh(state))

    async def refresh(self, key_id: UUID) -> Freshness:
        """Fetch instruments and prices again. Raises `RefreshLimited` right after another fetch."""
        name = await self._name(key_id)
        state = await self._catalogue.state(name)
        if state is not None and just_tried(state):
            raise RefreshLimited(math.ceil(RETRY_SECONDS - (state.attempt_age or 0)))
        await self._refresh(name, everything=True)
        return self._fresh(await self._catalogue.state(name))

    async def _refresh(self, name: CatalogueKey, *, everything: bool = False) -> None:
        # Nothing is written yet: give the connection back before the exchange is called.
        await self._session.rollback()
        await self._refresher.refresh(name, everything=everything)

    async def _name(self, key_id: UUID) -> CatalogueKey:
        name = await self._listing.catalogue_of(key_id)
        if name is None:
            raise NotFound
        return name

    def _fresh(self, state: State | None) -> Freshness:
        if state is None:
            return Freshness(None, stale=True, reason="no_answer")
        limit = _STALE_AFTER * self._refresher.intervals.prices.total_seconds()
        stale = state.failure is not None or state.prices_age is None or state.prices_age > limit
        return Freshness(state.fetched_at, stale, state.failure)


def _worth_waiting(state: State) -> bool:
    """Return whether a never-fetched catalogue is being fetched now, or may be tried now."""
    return state.fetched_at is None and (state.claimed or not just_tried(state))

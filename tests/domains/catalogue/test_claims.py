"""A claim of a catalogue is of the time after the wait for its row."""

import asyncio
from uuid import uuid4

from sqlalchemy import func, select, text

from app.db.engine import Database
from app.db.models import Catalogue
from app.domains.catalogue.repository import CLAIM, CatalogueRepository
from tests.support.catalogue import BINANCE
from tests.support.waiting import until_waiting


async def test_a_claim_that_waited_begins_after_the_refresh_before_it(
    copied_database: Database,
) -> None:
    former, later = uuid4(), uuid4()
    async with copied_database.sessions.begin() as session:
        assert await CatalogueRepository(session=session).claim(BINANCE, former) is not None
        await session.execute(text("UPDATE catalogues SET claimed_until = now() - interval '1 s'"))

    async def claim() -> tuple[float | None, float | None]:
        async with copied_database.sessions.begin() as session:
            state = await CatalogueRepository(session=session).claim(BINANCE, later)
        assert state is not None
        return state.instruments_age, state.attempt_age

    async with copied_database.sessions.begin() as storing:
        catalogue = CatalogueRepository(session=storing)
        assert await catalogue.hold(BINANCE, former)
        claiming = asyncio.create_task(claim())
        await until_waiting(copied_database)
        await catalogue.finish(BINANCE, instruments=True, prices=False, failure=None)
    age, attempt_age = await claiming

    assert age is not None
    assert attempt_age is not None
    assert 0 <= age <= attempt_age
    stored = select(
        Catalogue.claim,
        Catalogue.attempted_at > Catalogue.instruments_fetched_at,
        Catalogue.claimed_until - Catalogue.attempted_at,
        Catalogue.claimed_until > func.now(),
    )
    async with copied_database.sessions() as session:
        assert (await session.execute(stored)).one() == (later, True, CLAIM, True)

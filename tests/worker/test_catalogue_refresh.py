"""The worker keeps catalogues fresh."""

from datetime import timedelta
from uuid import uuid4

from sqlalchemy import select, text

from app.db.models import Catalogue
from app.domains.catalogue.refresher import CatalogueRefresher, Intervals
from app.domains.catalogue.repository import CatalogueKey, CatalogueRepository
from app.worker.catalogue_refresh import refresh_due
from botkeys.exchanges.model import ContractType, Environment
from tests.support.world import World

EVERY = Intervals(prices=timedelta(minutes=1), instruments=timedelta(hours=1))


def name(contract_type: ContractType) -> CatalogueKey:
    return CatalogueKey("okx", Environment.TESTNET, None, contract_type)


async def age(world: World, seconds: int) -> None:
    """Let that much time pass for all catalogues."""
    past = timedelta(seconds=seconds)
    async with world.context.database.sessions.begin() as session:
        for catalogue in await session.scalars(select(Catalogue)):
            for moment in ("attempted_at", "prices_fetched_at", "instruments_fetched_at"):
                before = getattr(catalogue, moment)
                setattr(catalogue, moment, before and before - past)


async def test_only_what_is_due_is_fetched_and_instruments_hourly(world: World) -> None:
    context = world.context
    catalogues = CatalogueRefresher(context.database, context.exchanges, EVERY, background=False)
    await catalogues.refresh(name(ContractType.LINEAR))
    instruments = "/api/v5/public/instruments"
    tickers = "/api/v5/market/tickers"

    async def calls_of_a_turn() -> tuple[int, int, int]:
        before = [world.simulator.calls("okx", "testnet", path) for path in (instruments, tickers)]
        done = await refresh_due(context.database.sessions, catalogues)
        after = [world.simulator.calls("okx", "testnet", path) for path in (instruments, tickers)]
        return done, after[0] - before[0], after[1] - before[1]

    assert await calls_of_a_turn() == (0, 0, 0)
    await age(world, 61)
    # OKX's tickers do not include the contract type, so the listing is requested too.
    assert await calls_of_a_turn() == (1, 1, 1)
    await age(world, 3601)
    # Instruments are perpetuals and dated contracts, a call each.
    assert await calls_of_a_turn() == (1, 3, 1)


async def test_a_catalogue_in_use_comes_first(world: World) -> None:
    context = world.context
    catalogues = CatalogueRefresher(context.database, context.exchanges, EVERY, background=False)
    for contract_type in ContractType:
        await catalogues.refresh(name(contract_type))
    await world.user().add_key(contract_type="inverse")
    await age(world, 61)

    async with context.database.sessions() as session:
        due = await CatalogueRepository(session=session).due(EVERY.prices)

    assert due == [name(ContractType.INVERSE), name(ContractType.LINEAR)]


async def test_a_claim_of_a_process_that_died_lapses(world: World) -> None:
    context = world.context
    catalogues = CatalogueRefresher(context.database, context.exchanges, EVERY, background=False)
    linear = name(ContractType.LINEAR)
    await catalogues.refresh(linear)
    async with context.database.sessions.begin() as session:
        await session.execute(
            text(
                "UPDATE catalogues SET claim = :claim, "
                "claimed_until = statement_timestamp() + interval '1 minute'"
            ),
            {"claim": uuid4()},
        )
    await age(world, 61)
    assert await refresh_due(context.database.sessions, catalogues) == 0

    async with context.database.sessions.begin() as session:
        await session.execute(
            text(
                "UPDATE catalogues SET claimed_until = statement_timestamp() - interval '1 second'"
            )
        )

    assert await refresh_due(context.database.sessions, catalogues) == 1

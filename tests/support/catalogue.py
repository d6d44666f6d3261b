"""A small catalogue inserted into the database, as if it had just been fetched."""

from decimal import Decimal
from uuid import uuid4

from app.domains.catalogue.repository import CatalogueKey, CatalogueRepository
from botkeys.exchanges.model import ContractType, Environment, Instrument, MarginMode, Ticker
from tests.support.world import World

BOTH = (MarginMode.CROSS, MarginMode.ISOLATED)
OKX = CatalogueKey("okx", Environment.TESTNET, None, ContractType.LINEAR)
OKX_INVERSE = CatalogueKey("okx", Environment.TESTNET, None, ContractType.INVERSE)
BINANCE = CatalogueKey("binance", Environment.TESTNET, None, ContractType.LINEAR)


def instrument(
    symbol: str = "BTC-USDT-SWAP",
    *,
    max_leverage: str | None = "100",
    margin_modes: tuple[MarginMode, ...] = BOTH,
    contract_type: ContractType = ContractType.LINEAR,
) -> Instrument:
    linear = contract_type is ContractType.LINEAR
    return Instrument(
        symbol=symbol,
        base="BTC",
        quote="USDT" if linear else "USD",
        settle="USDT" if linear else "BTC",
        contract_type=contract_type,
        contract_size=Decimal("0.01"),
        tick_size=Decimal("0.1"),
        lot_size=Decimal("0.01"),
        min_quantity=Decimal("0.02"),
        max_leverage=None if max_leverage is None else Decimal(max_leverage),
        margin_modes=margin_modes,
    )


async def list_instruments(world: World, name: CatalogueKey, *instruments: Instrument) -> None:
    """Make these the instruments of the catalogue; others are delisted."""
    prices = [
        Ticker(listed.symbol, Decimal("97012.5"), Decimal("1840223114.2")) for listed in instruments
    ]
    claim = uuid4()
    # In the transactions, and with the locks in the order, of a refresh by the service.
    async with world.context.database.sessions.begin() as session:
        catalogue = CatalogueRepository(session=session)
        await catalogue.claim(name, claim)
    async with world.context.database.sessions.begin() as session:
        catalogue = CatalogueRepository(session=session)
        await catalogue.hold(name, claim)
        await catalogue.change_contracts(name, instruments)
    async with world.context.database.sessions.begin() as session:
        catalogue = CatalogueRepository(session=session)
        await catalogue.hold(name, claim)
        await catalogue.store_instruments(name, instruments)
        await catalogue.store_prices(name, prices)
        await catalogue.finish(name, instruments=True, prices=True, failure=None)

"""The SQL of trading assets. Every statement names the account."""

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Numeric,
    Text,
    Uuid,
    bindparam,
    cast,
    delete,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import notifications
from app.db.clock import NOW
from app.db.driver import Executor, Statement
from app.db.models import (
    CatalogueInstrument,
    KeyLeverage,
    Position,
    RestingOrders,
    TradingAsset,
)
from app.db.models.position import locking
from app.db.models.resting_order import resting
from app.domains.catalogue.joins import LEVERAGE, MARGIN_MODE, MAX_LEVERAGE, OF_ASSETS
from app.domains.catalogue.repository import CatalogueKey


class AssetRow(NamedTuple):
    """An asset of the key's current contract type, with the catalogue's data of its symbol.

    `kept_leverage` is the stored leverage, which counts only with a margin mode that has one.
    """

    exchange: str
    environment: str
    contract_type: str
    catalogue_known: bool
    symbol: str
    leverage: Decimal | None
    kept_leverage: Decimal | None
    margin_mode: str
    enabled: bool
    revision: int
    created_at: datetime
    updated_at: datetime
    base: str | None
    quote: str | None
    settle: str | None
    listed: bool
    max_leverage: Decimal | None
    margin_modes: list[str]
    tick_size: Decimal | None
    lot_size: Decimal | None
    min_quantity: Decimal | None
    contract_size: Decimal | None
    contract_changed_at: datetime | None
    price: Decimal | None
    volume_24h: Decimal | None
    open_positions: int


class Listing(NamedTuple):
    """The limits that a listed instrument sets for its trading assets."""

    margin_modes: list[str]
    max_leverage: Decimal | None


# Selected from the key outwards, so that a key without assets differs from a missing key.
_OF_KEY = f"""
    SELECT keys.exchange, keys.environment, keys.contract_type,
           EXISTS (
               SELECT FROM catalogues
               WHERE exchange = keys.exchange AND environment = keys.environment
                 AND region = coalesce(keys.region, '') AND contract_type = keys.contract_type
                 AND instruments_fetched_at IS NOT NULL
           ),
           assets.symbol, {LEVERAGE}, assets.leverage, {MARGIN_MODE}, assets.enabled,
           assets.revision, assets.created_at, assets.updated_at,
           listing.base, listing.quote, listing.settle,
           coalesce(listing.listed, false), {MAX_LEVERAGE}, coalesce(listing.margin_modes, '{{}}'),
           listing.tick_size, listing.lot_size, listing.min_quantity, listing.contract_size,
           listing.contract_changed_at, priced.price, priced.volume_24h,
           (
               SELECT count(*) FROM positions
               WHERE account_id = keys.account_id AND key_id = keys.id AND symbol = assets.symbol
                 AND status IN ('opening', 'open')
                 AND (status = 'open' OR expires_at > clock_timestamp()) AND locks_key
           )
    FROM keys
    LEFT JOIN LATERAL (
        SELECT * FROM trading_assets
        WHERE account_id = keys.account_id AND key_id = keys.id
          AND contract_type = keys.contract_type AND (wanted)
    ) AS assets ON true
    {OF_ASSETS}
    WHERE keys.account_id = :account AND keys.id = :key
    ORDER BY assets.symbol
"""  # noqa: S608  # built from constants only
_KEY = (bindparam("account", type_=Uuid()), bindparam("key", type_=Uuid()))
_PAGE = Statement(
    text(_OF_KEY.replace("(wanted)", "symbol > :after ORDER BY symbol LIMIT :most")).bindparams(
        *_KEY, bindparam("after", type_=Text()), bindparam("most", type_=BigInteger())
    )
)
_ONE = text(_OF_KEY.replace("(wanted)", "symbol = :symbol")).bindparams(
    *_KEY, bindparam("symbol", type_=Text())
)


class AssetRepository:
    """The assets of the keys of one account. Every write also notifies the key's bot."""

    def __init__(self, *, session: AsyncSession, executor: Executor, account_id: UUID) -> None:
        self._session = session
        self._executor = executor
        self._account_id = account_id

    async def page(self, key_id: UUID, after: str, limit: int) -> list[AssetRow] | None:
        """Return up to `limit` assets that come after the symbol `after`, by symbol.

        Returns `None` if there is no such key.
        """
        rows = await self._executor.fetch(
            _PAGE, account=self._account_id, key=key_id, after=after, most=limit
        )
        found = [AssetRow._make(row) for row in rows]
        return [row for row in found if row.symbol is not None] if found else None

    async def get(self, key_id: UUID, symbol: str) -> AssetRow | None:
        """Return the asset of the key's current contract type."""
        parameters = {"account": self._account_id, "key": key_id, "symbol": symbol}
        row = (await self._session.execute(_ONE, parameters)).one_or_none()
        found = None if row is None else AssetRow._make(row)
        return None if found is None or found.symbol is None else found

    async def listing(self, name: CatalogueKey, key_id: UUID, symbol: str) -> Listing | None:
        """Return what the catalogue currently lists under this symbol, for this key."""
        instrument, learned = CatalogueInstrument, KeyLeverage
        of_catalogue = (
            getattr(instrument, column) == word for column, word in name.columns.items()
        )
        stated = (
            select(cast(learned.max_leverages[symbol].astext, Numeric))
            .where(
                learned.account_id == self._account_id,
                learned.key_id == key_id,
                learned.contract_type == name.contract_type,
            )
            .scalar_subquery()
        )
        row = (
            await self._session.execute(
                select(
                    instrument.margin_modes, func.coalesce(instrument.max_leverage, stated)
                ).where(
                    *of_catalogue,
                    instrument.symbol == symbol,
                    instrument.listed,
                    ~instrument.dated,
                )
            )
        ).one_or_none()
        return None if row is None else Listing._make(row)

    async def count(self, key_id: UUID) -> int:
        """Return how many assets the key has, those of its former contract types included."""
        count = (
            select(func.count())
            .select_from(TradingAsset)
            .where(TradingAsset.account_id == self._account_id, TradingAsset.key_id == key_id)
        )
        return (await self._session.execute(count)).scalar_one()

    async def add(self, key_id: UUID, contract_type: str, symbol: str, **columns: Any) -> bool:
        """Add an asset; return `False` if the key already has this symbol."""
        new = upsert(TradingAsset).values(
            account_id=self._account_id,
            key_id=key_id,
            contract_type=contract_type,
            symbol=symbol,
            **columns,
        )
        added = await self._session.scalar(
            new.on_conflict_do_nothing().returning(TradingAsset.symbol)
        )
        if added is None:
            return False
        await self._notify(key_id)
        return True

    async def lock(self, key_id: UUID, contract_type: str, symbol: str) -> bool:
        """Lock the asset and return whether it exists. Read the row only in a later statement."""
        row = self._row(key_id, contract_type, symbol)
        lock = select(TradingAsset.symbol).where(*row).with_for_update()
        return await self._session.scalar(lock) is not None

    async def locking_positions(self, key_id: UUID, symbol: str) -> int:
        """Return how many positions of any bot lock this symbol of this key, openings included."""
        count = select(func.count()).where(
            Position.account_id == self._account_id,
            Position.key_id == key_id,
            Position.symbol == symbol,
            locking(),
        )
        return (await self._session.execute(count)).scalar_one()

    async def resting_orders(self, key_id: UUID, symbol: str) -> int:
        """Return how many orders rest on this symbol of this key."""
        of_key = RestingOrders.account_id == self._account_id, RestingOrders.key_id == key_id
        return (await self._session.execute(select(resting(*of_key, symbol=symbol)))).scalar_one()

    async def change(self, key_id: UUID, contract_type: str, symbol: str, **columns: Any) -> None:
        await self._session.execute(
            update(TradingAsset)
            .where(*self._row(key_id, contract_type, symbol))
            .values(**columns, revision=TradingAsset.revision + 1, updated_at=NOW)
        )
        await self._notify(key_id)

    async def remove(self, key_id: UUID, contract_type: str, symbol: str) -> None:
        row = self._row(key_id, contract_type, symbol)
        await self._session.execute(delete(TradingAsset).where(*row))
        await self._notify(key_id)

    async def _notify(self, key_id: UUID) -> None:
        await notifications.notify_of_key(self._session, self._account_id, key_id)

    def _row(self, key_id: UUID, contract_type: str, symbol: str) -> tuple[Any, ...]:
        return (
            TradingAsset.account_id == self._account_id,
            TradingAsset.key_id == key_id,
            TradingAsset.contract_type == contract_type,
            TradingAsset.symbol == symbol,
        )

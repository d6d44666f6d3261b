"""The SQL of the catalogue. All accounts share it, so no statement names one."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Float,
    Numeric,
    Text,
    and_,
    bindparam,
    cast,
    false,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import notifications
from app.db.clock import NOW
from app.db.models import (
    Catalogue,
    CatalogueInstrument,
    Key,
)
from app.domains.trading.symbols import ASSET_SPELLINGS, unified_symbol
from botkeys.exchanges.model import ContractType, Environment, Instrument, Ticker
from botkeys.exchanges.parsing import settle_name

CLAIM = timedelta(seconds=45)
"""Longer than any fetch may take: a lapsed claim belonged to a process that is gone."""

SIZE = ("contract_size", "settle")
"""What a quantity means. It never changes silently: the database's `change_contract` sets it."""


@dataclass(frozen=True, slots=True)
class CatalogueKey:
    """The four columns that identify a catalogue; `region` is `None` if the exchange has none."""

    exchange: str
    environment: Environment
    region: str | None
    contract_type: ContractType

    @property
    def columns(self) -> dict[str, str]:
        return {
            "exchange": self.exchange,
            "environment": self.environment,
            "region": self.region or "",
            "contract_type": self.contract_type,
        }

    @classmethod
    def of(cls, row: Any) -> Self:
        """Return the catalogue that a row with these columns belongs to."""
        return cls(
            row.exchange,
            Environment(row.environment),
            row.region or None,
            ContractType(row.contract_type),
        )


@dataclass(frozen=True, slots=True)
class State:
    """When a catalogue was last fetched, and why the last attempt failed, if it did.

    `attempt_age`, `instruments_age` and `prices_age` are in seconds.
    """

    fetched_at: datetime | None
    failure: str | None
    claimed: bool
    attempt_age: float | None
    instruments_age: float | None
    prices_age: float | None


def _is(table: Any, name: CatalogueKey) -> Any:
    return and_(*(getattr(table, column) == value for column, value in name.columns.items()))


def search_text(instrument: Instrument) -> str:
    """Return the text that a search matches: symbol, base, quote, the pair as people write it, with
    and without a slash, and the unified symbol; all in both spellings of Bitcoin.
    """
    symbol, base, quote = instrument.symbol.upper(), instrument.base, instrument.quote
    words = [symbol, base, quote]
    words += [ASSET_SPELLINGS[word] for word in (base, quote) if word in ASSET_SPELLINGS]
    for ours, theirs in ASSET_SPELLINGS.items():
        if theirs in symbol:
            words.append(symbol.replace(theirs, ours))
        elif ours in symbol:
            words.append(symbol.replace(ours, theirs))
    pairs = itertools.product(_spellings(base), _spellings(quote), ("", "/"))
    words += [f"{one}{between}{other}" for one, other, between in pairs]
    names = itertools.product(
        _spellings(base), _spellings(quote), _spellings(settle_name(instrument.settle))
    )
    words += [unified_symbol(*name, instrument.expires_at) for name in names]
    return " ".join(dict.fromkeys(words)).lower()


def _spellings(asset: str) -> list[str]:
    return [asset, ASSET_SPELLINGS[asset]] if asset in ASSET_SPELLINGS else [asset]


def _age(moment: Any) -> Any:
    return cast(func.extract("epoch", NOW - moment), Float)


_STATE = (
    Catalogue.prices_fetched_at,
    Catalogue.failure,
    func.coalesce(Catalogue.claimed_until > NOW, false()),
    _age(Catalogue.attempted_at),
    _age(Catalogue.instruments_fetched_at),
    _age(Catalogue.prices_fetched_at),
)


class CatalogueRepository:
    def __init__(self, *, session: AsyncSession) -> None:
        self._session = session

    async def state(self, name: CatalogueKey) -> State | None:
        """Return the state; `None` for a catalogue that was never used."""
        query = select(*_STATE).where(_is(Catalogue, name))
        row = (await self._session.execute(query)).one_or_none()
        return None if row is None else State(*row)

    async def claim(self, name: CatalogueKey, claim: UUID) -> State | None:
        """Claim the refresh; return the state before, or `None` while another process holds the
        claim.
        """
        await self._session.execute(
            insert(Catalogue).values(**name.columns).on_conflict_do_nothing()
        )
        free = or_(Catalogue.claimed_until.is_(None), Catalogue.claimed_until < NOW)
        lock = select(Catalogue.claim).where(_is(Catalogue, name), free).with_for_update()
        if (await self._session.execute(lock)).one_or_none() is None:
            return None
        # The row's lock may have been waited for: the state and the claim are of the time after.
        state = await self.state(name)
        await self._session.execute(
            update(Catalogue)
            .where(_is(Catalogue, name))
            .values(claim=claim, claimed_until=NOW + CLAIM, attempted_at=NOW)
        )
        return state

    async def hold(self, name: CatalogueKey, claim: UUID) -> bool:
        """Lock the catalogue; return whether this token still holds the claim."""
        held = await self._session.scalar(
            select(Catalogue.claim).where(_is(Catalogue, name)).with_for_update()
        )
        return held == claim

    async def finish(
        self, name: CatalogueKey, *, instruments: bool, prices: bool, failure: str | None
    ) -> None:
        """Release the claim and record what was fetched."""
        fetched: dict[str, Any] = {}
        if instruments:
            fetched["instruments_fetched_at"] = NOW
        if prices:
            fetched["prices_fetched_at"] = NOW
        await self._session.execute(
            update(Catalogue)
            .where(_is(Catalogue, name))
            .values(claim=None, claimed_until=None, failure=failure, **fetched)
        )

    async def change_contracts(
        self, name: CatalogueKey, instruments: Sequence[Instrument]
    ) -> list[str]:
        """Store what a quantity means now, mark the change and add an event for each key that
        trades the instrument; return the symbols whose contracts changed.

        In another transaction than the rest: the function changes the same rows with its owner's
        rights, which is another connection to the nodes of Citus, and would wait for itself there.
        """
        table = CatalogueInstrument
        stored = {
            symbol: size
            for symbol, *size in await self._session.execute(
                select(table.symbol, *(getattr(table, field) for field in SIZE)).where(
                    _is(table, name)
                )
            )
        }
        changed = [
            instrument
            for instrument in instruments
            if stored.get(instrument.symbol, _size(instrument)) != _size(instrument)
        ]
        for instrument in changed:
            values = {**name.columns, "symbol": instrument.symbol}
            values.update(zip(SIZE, _size(instrument), strict=True))
            await self._session.execute(_CHANGE_CONTRACT, values)
        return [instrument.symbol for instrument in changed]

    async def store_instruments(
        self, name: CatalogueKey, instruments: Sequence[Instrument]
    ) -> list[str]:
        """Store what differs and mark what is no longer listed; return the symbols whose rows
        changed. What a quantity means is left as it is (`change_contracts`).
        """
        table = CatalogueInstrument
        fields = [
            "symbol",
            "base",
            "quote",
            "settle",
            "contract_size",
            "tick_size",
            "lot_size",
            "min_quantity",
            "max_leverage",
            "margin_modes",
            "listed",
            "search_text",
            "expires_at",
            "dated",
            "delisted_at",
        ]
        stored = {
            row.symbol: tuple(row)
            for row in await self._session.execute(
                select(*(getattr(table, field) for field in fields)).where(_is(table, name))
            )
        }
        fresh = {instrument.symbol: _values(instrument) for instrument in instruments}
        changed = [
            {**name.columns, **dict(zip(fields, values, strict=True))}
            for symbol, values in fresh.items()
            if stored.get(symbol) != values
        ]
        for start in range(0, len(changed), 500):
            new = insert(table).values(changed[start : start + 500])
            await self._session.execute(
                new.on_conflict_do_update(
                    index_elements=[*name.columns, "symbol"],
                    set_={field: new.excluded[field] for field in fields[1:] if field not in SIZE},
                )
            )
        unlisted = [
            symbol
            for symbol, values in stored.items()
            if symbol not in fresh and values[fields.index("listed")]
        ]
        if unlisted:
            await self._session.execute(
                update(table)
                .where(_is(table, name), table.symbol.in_(unlisted))
                .values(listed=False, delisted_at=NOW)
            )
        return [row["symbol"] for row in changed] + unlisted

    async def notify_bots(self, name: CatalogueKey, symbols: Sequence[str] | None = None) -> None:
        """Notify the bots that may trade one of these symbols, or with `None` all bots of the
        catalogue.

        An empty list notifies no bot.
        """
        if symbols is None or symbols:
            await self._session.execute(
                notifications.OF_CATALOGUE, {**name.columns, "symbols": symbols}
            )

    async def store_prices(self, name: CatalogueKey, tickers: Iterable[Ticker]) -> None:
        """Store the prices that changed, of known instruments only."""
        by_symbol = {ticker.symbol: ticker for ticker in tickers}
        await self._session.execute(
            _STORE_PRICES,
            {
                **name.columns,
                "symbols": list(by_symbol),
                "prices": [ticker.price for ticker in by_symbol.values()],
                "volumes": [ticker.volume_24h for ticker in by_symbol.values()],
            },
        )

    async def due(self, every: timedelta) -> list[CatalogueKey]:
        """Return catalogues that are due and that nobody is refreshing, those in use first."""
        rows = await self._session.execute(
            select(
                Catalogue.exchange,
                Catalogue.environment,
                Catalogue.region,
                Catalogue.contract_type,
            )
            .where(
                or_(Catalogue.claimed_until.is_(None), Catalogue.claimed_until < NOW),
                or_(Catalogue.attempted_at.is_(None), Catalogue.attempted_at < NOW - every),
            )
            .order_by(Catalogue.attempted_at.asc().nulls_first())
        )
        found = [CatalogueKey.of(row) for row in rows]
        used = {name for name in found if await self._in_use(name)}
        return sorted(found, key=lambda name: name not in used)

    async def _in_use(self, name: CatalogueKey) -> bool:
        """Return whether any account has a key of this catalogue."""
        used = select(Key.exchange).where(
            Key.exchange == name.exchange,
            Key.environment == name.environment,
            func.coalesce(Key.region, "") == name.columns["region"],
            Key.contract_type == name.contract_type,
        )
        return await self._session.scalar(used.limit(1)) is not None


def _size(instrument: Instrument) -> list[Any]:
    """Return the values of the columns `SIZE`."""
    return [instrument.contract_size, settle_name(instrument.settle)]


def _values(instrument: Instrument) -> tuple[Any, ...]:
    return (
        instrument.symbol,
        instrument.base,
        instrument.quote,
        settle_name(instrument.settle),
        instrument.contract_size,
        instrument.tick_size,
        instrument.lot_size,
        instrument.min_quantity,
        instrument.max_leverage,
        [str(mode) for mode in instrument.margin_modes],
        True,
        search_text(instrument),
        instrument.expires_at,
        instrument.dated,
        None,
    )


_CHANGE_CONTRACT = text(
    """
    SELECT change_contract(
        :exchange, :environment, :region, :contract_type, :symbol, :contract_size, :settle
    )
    """
).bindparams(
    *(
        bindparam(name, type_=Text())
        for name in ("exchange", "environment", "region", "contract_type", "symbol", "settle")
    ),
    bindparam("contract_size", type_=Numeric()),
)

_STORE_PRICES = text(
    """
    INSERT INTO instrument_prices AS stored
        (exchange, environment, region, contract_type, symbol, price, volume_24h)
    SELECT :exchange, :environment, :region, :contract_type, symbol, price, volume
    FROM unnest(
        CAST(:symbols AS text[]), CAST(:prices AS numeric[]), CAST(:volumes AS numeric[])
    ) AS fresh (symbol, price, volume)
    WHERE EXISTS (
        SELECT FROM instruments AS known
        WHERE known.exchange = :exchange AND known.environment = :environment
          AND known.region = :region AND known.contract_type = :contract_type
          AND known.symbol = fresh.symbol
    )
    ON CONFLICT (exchange, environment, region, contract_type, symbol) DO UPDATE
    SET price = excluded.price, volume_24h = excluded.volume_24h
    WHERE (stored.price, stored.volume_24h)
        IS DISTINCT FROM (excluded.price, excluded.volume_24h)
    """
).bindparams(
    bindparam("exchange", type_=Text()),
    bindparam("environment", type_=Text()),
    bindparam("region", type_=Text()),
    bindparam("contract_type", type_=Text()),
    bindparam("symbols", type_=ARRAY(Text())),
    bindparam("prices", type_=ARRAY(Numeric())),
    bindparam("volumes", type_=ARRAY(Numeric())),
)

"""Reads and searches the instruments of a catalogue in one statement, however long the list is."""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Integer, Text, Uuid, bindparam, select, text

from app.db.driver import Executor, Statement
from app.db.models import Key
from app.domains.catalogue.repository import CatalogueKey
from botkeys.exchanges.model import ContractType, Environment


class InstrumentRow(NamedTuple):
    """An instrument with its last known price. `rank` is 0 if it begins with the search, 1 if it
    contains it.

    `learned_leverage` is what a signed call stated to the key, for listings without a maximum.
    `added` means that it is one of the key's trading assets.
    """

    symbol: str
    base: str
    quote: str
    settle: str
    max_leverage_listed: Decimal | None
    margin_modes: list[str]
    tick_size: Decimal
    lot_size: Decimal
    contract_size: Decimal
    expires_at: datetime | None
    rank: int
    price: Decimal | None
    volume_24h: Decimal | None
    learned_leverage: Decimal | None
    added: bool

    @property
    def max_leverage(self) -> Decimal | None:
        if self.max_leverage_listed is None:
            return self.learned_leverage
        return self.max_leverage_listed


# Prices are looked up for each row of the page. PostgreSQL estimates that the four columns of a
# catalogue select one row, and a plain join would scan all prices once for each row: OFFSET 0 keeps
# the look-ups separate.
_PAGE = Statement(
    text(
        """
        SELECT page.*, priced.price, priced.volume_24h, learned.max_leverage,
               EXISTS (
                   SELECT FROM trading_assets
                   WHERE account_id = :account AND key_id = :key
                     AND contract_type = :contract_type AND symbol = page.symbol
               )
        FROM (
            SELECT * FROM (
                SELECT symbol, base, quote, settle, max_leverage, margin_modes, tick_size,
                       lot_size, contract_size, expires_at,
                       CASE WHEN search_text LIKE :begins ESCAPE '/'
                              OR search_text LIKE :word ESCAPE '/' THEN 0 ELSE 1 END AS rank
                FROM instruments
                WHERE exchange = :exchange AND environment = :environment AND region = :region
                  AND contract_type = :contract_type AND listed AND NOT dated
                  AND search_text LIKE :holds ESCAPE '/'
            ) AS found
            WHERE (rank, symbol) > (:after_rank, :after_symbol)
            ORDER BY rank, symbol
            LIMIT :most
        ) AS page
        LEFT JOIN LATERAL (
            SELECT price, volume_24h FROM instrument_prices
            WHERE exchange = :exchange AND environment = :environment AND region = :region
              AND contract_type = :contract_type AND symbol = page.symbol
            OFFSET 0
        ) AS priced ON true
        LEFT JOIN LATERAL (
            SELECT CAST(max_leverages ->> page.symbol AS numeric) AS max_leverage
            FROM key_leverages
            WHERE account_id = :account AND key_id = :key AND contract_type = :contract_type
            OFFSET 0
        ) AS learned ON true
        ORDER BY page.rank, page.symbol
        """
    ).bindparams(
        *(
            bindparam(name, type_=Text())
            for name in (
                "exchange",
                "environment",
                "region",
                "contract_type",
                "begins",
                "word",
                "holds",
                "after_symbol",
            )
        ),
        bindparam("account", type_=Uuid()),
        bindparam("key", type_=Uuid()),
        bindparam("after_rank", type_=Integer()),
        bindparam("most", type_=Integer()),
    )
)


_CATALOGUE_OF_KEY = Statement(
    select(Key.exchange, Key.environment, Key.region, Key.contract_type).where(
        Key.account_id == bindparam("account", type_=Uuid()),
        Key.id == bindparam("key", type_=Uuid()),
    )
)


def _pattern(term: str) -> str:
    """Return the term escaped for a LIKE pattern whose escape character is `/`."""
    return term.replace("/", "//").replace("%", "/%").replace("_", "/_")


class InstrumentReader:
    """A reader of instruments. `account_id` owns the keys whose trading assets are marked
    as added.
    """

    def __init__(self, *, executor: Executor, account_id: UUID) -> None:
        self._executor = executor
        self._account_id = account_id

    async def catalogue_of(self, key_id: UUID) -> CatalogueKey | None:
        """Return the catalogue that the account's key trades from; `None` without such a key."""
        rows = await self._executor.fetch(_CATALOGUE_OF_KEY, account=self._account_id, key=key_id)
        for exchange, environment, region, contract_type in rows:
            return CatalogueKey(
                exchange, Environment(environment), region, ContractType(contract_type)
            )
        return None

    async def page(
        self,
        name: CatalogueKey,
        key_id: UUID,
        search: str,
        after: tuple[int, str] | None,
        limit: int,
    ) -> list[InstrumentRow]:
        """Return listed instruments: first those that begin with the search, then by symbol.

        `after` is the rank and symbol of the previous page's last row.
        """
        term = _pattern(search.strip().lower())
        rank, symbol = (-1, "") if after is None else after
        rows = await self._executor.fetch(
            _PAGE,
            **name.columns,
            account=self._account_id,
            key=key_id,
            begins=f"{term}%",
            word=f"% {term}%",
            holds=f"%{term}%",
            after_rank=rank,
            after_symbol=symbol,
            most=limit,
        )
        return [InstrumentRow._make(row) for row in rows]

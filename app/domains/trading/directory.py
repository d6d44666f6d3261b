"""What is known of instruments by name: all that an exchange lists or ever listed.

Instruments of all contract types count, perpetual and dated, listed and delisted.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Text,
    Uuid,
    any_,
    bindparam,
    func,
    literal,
    literal_column,
    or_,
    select,
)

from app.db.base import one_of
from app.db.driver import Executor, Statement
from app.db.models import CatalogueInstrument, FormerContract, KeyLabel
from app.domains.trading.errors import AmbiguousSymbol
from app.domains.trading.symbols import Listed, Place, find, folded, is_foreign
from botkeys.exchanges.model import ContractKind

_TABLE = CatalogueInstrument
_NAMES: Any = any_(bindparam("names", type_=ARRAY(Text())))
_COLUMNS = (
    _TABLE.symbol,
    _TABLE.contract_type,
    _TABLE.contract_size,
    _TABLE.settle,
    _TABLE.base,
    _TABLE.quote,
    _TABLE.expires_at,
    _TABLE.listed,
    _TABLE.region,
    _TABLE.contract_changed_at,
)
_OF_EXCHANGE = (
    _TABLE.exchange == bindparam("exchange", type_=Text()),
    _TABLE.environment == bindparam("environment", type_=Text()),
)
_BY_SYMBOL = select(*_COLUMNS).where(
    *_OF_EXCHANGE,
    # Named, so that the primary key finds each symbol.
    literal_column(one_of("instruments.contract_type", ContractKind)),
    _TABLE.symbol == _NAMES,
)
_OF_ALL_REGIONS = Statement(_BY_SYMBOL)
_OF_REGION = Statement(_BY_SYMBOL.where(_TABLE.region == bindparam("region", type_=Text())))

_SLASH, _COLON = literal("/", Text()), literal(":", Text())
_DAY = func.to_char(func.timezone("UTC", _TABLE.expires_at), "-YYMMDD")
UNIFIED = func.upper(
    _TABLE.base + _SLASH + _TABLE.quote + _COLON + _TABLE.settle + func.coalesce(_DAY, "")
)
"""The unified symbol of an instrument as `app.domains.trading.symbols.folded` writes it."""

SPELLED = or_(func.upper(_TABLE.symbol) == _NAMES, UNIFIED == _NAMES)
"""The condition of instruments with one of the folded `names`."""

_SPELLED_OTHERWISE = Statement(select(*_COLUMNS).where(*_OF_EXCHANGE, SPELLED))
_KEY = bindparam("key", type_=Uuid())
_EXCHANGES = select(KeyLabel.exchange).where(
    KeyLabel.account_id == bindparam("account", type_=Uuid()),
    KeyLabel.environment == bindparam("environment", type_=Text()),
    or_(_KEY.is_(None), KeyLabel.key_id == _KEY),
)
_OF_ACCOUNT = Statement(
    select(_TABLE.exchange, *_COLUMNS).where(
        _TABLE.exchange.in_(_EXCHANGES),
        _TABLE.environment == bindparam("environment", type_=Text()),
        SPELLED,
    )
)
_FORMER = Statement(
    select(
        FormerContract.symbol,
        FormerContract.contract_type,
        FormerContract.region,
        FormerContract.changed_at,
        FormerContract.contract_size,
        FormerContract.settle,
    )
    .where(
        FormerContract.exchange == bindparam("exchange", type_=Text()),
        FormerContract.environment == bindparam("environment", type_=Text()),
        FormerContract.symbol == _NAMES,
    )
    .order_by(FormerContract.changed_at)
)


NOTICED_WITHIN = timedelta(days=1)
"""How late a change of a contract may be noticed: catalogues are fetched hourly, but an exchange
may be unreachable.
"""


class Terms(NamedTuple):
    """What one unit of quantity stood for, and what P&L was paid in."""

    size: Decimal
    settle: str


class _Former(NamedTuple):
    symbol: str
    contract_type: str
    region: str
    changed_at: datetime
    size: Decimal
    settle: str


class Directory:
    """The instruments that were found for some names, at one exchange. By default it is empty."""

    def __init__(
        self,
        place: Place | None = None,
        rows: Iterable[Listed] = (),
        former: Iterable[_Former] = (),
    ) -> None:
        self._place = place
        self._rows = list(rows)
        self._former = list(former)
        self._found: dict[str, Listed | None] = {}

    def find(self, name: str) -> Listed | None:
        """Return the instrument of one of the names. Raises `AmbiguousSymbol`."""
        if name not in self._found:
            self._found[name] = None if self._place is None else find(name, self._rows, self._place)
        return self._found[name]

    def knows(self, names: Iterable[str]) -> bool:
        """Return whether each of the names means something, be it ambiguous."""
        return all(self._means_something(name) for name in names)

    def _means_something(self, name: str) -> bool:
        try:
            return self.find(name) is not None
        except AmbiguousSymbol:
            return True

    def symbol(self, name: str) -> str:
        """Return the exchange's own spelling, or the name as it is if no instrument is known.

        Raises `AmbiguousSymbol`.
        """
        listed = self.find(name)
        return name if listed is None else listed.symbol

    def terms(self, listed: Listed, at: datetime) -> Terms:
        """Return the terms of an instrument at a time: those before the first later change."""
        if listed.changed_at is not None:
            for former in self._changes(listed):
                if at < former.changed_at:
                    return Terms(former.size, former.settle)
        return Terms(listed.size, listed.settle)

    def terms_during(self, listed: Listed, since: datetime, until: datetime) -> list[Terms]:
        """Return all terms that may have applied in a period: a change is noticed late."""
        changes = self._changes(listed)
        ends = [f.changed_at for f in changes]
        terms = [*(Terms(f.size, f.settle) for f in changes), Terms(listed.size, listed.settle)]
        return [
            each
            for each, begin, end in zip(terms, [None, *ends], [*ends, None], strict=True)
            if (begin is None or begin <= until + NOTICED_WITHIN) and (end is None or end > since)
        ]

    def _changes(self, listed: Listed) -> list[_Former]:
        place = (listed.symbol, listed.contract_type, listed.region)
        return [f for f in self._former if (f.symbol, f.contract_type, f.region) == place]


async def look_up(executor: Executor, place: Place, names: Collection[str]) -> Directory:
    """Return what is known of these names: one statement if all are the exchange's own symbols."""
    if not names:
        return Directory()
    at = {"exchange": place.exchange, "environment": place.environment}
    if place.region is None:
        rows = _listed(await executor.fetch(_OF_ALL_REGIONS, **at, names=list(names)))
    else:
        rows = _listed(
            await executor.fetch(_OF_REGION, **at, region=place.region, names=list(names))
        )
    others = set(names).difference(row.symbol for row in rows)
    if others:
        spelled = sorted({folded(name) for name in others} | {name.upper() for name in others})
        rows += _listed(await executor.fetch(_SPELLED_OTHERWISE, **at, names=spelled))
    former: Iterable[_Former] = ()
    changed = sorted({row.symbol for row in rows if row.changed_at is not None})
    if changed:
        former = map(_Former._make, await executor.fetch(_FORMER, **at, names=changed))
    return Directory(place, rows, former)


async def own_symbol(executor: Executor, place: Place, name: str) -> str:
    """Return the exchange's own symbol for a name, or the name as it is if it is none known.

    Costs nothing for a name that looks like an exchange's own. Raises `AmbiguousSymbol`.
    """
    if not is_foreign(name):
        return name
    return (await look_up(executor, place, {name})).symbol(name)


async def stored_symbols(
    executor: Executor, account_id: UUID, environment: str, key_id: UUID | None, name: str
) -> tuple[str, ...]:
    """Return the symbols under which an account's data may be stored that a name means.

    A unified symbol means one instrument of each exchange that the account has or had keys of, or
    of the given key's. The name itself is one of them: rows may be older than what is known of it.
    Raises `AmbiguousSymbol`.
    """
    if not is_foreign(name):
        return (name,)
    rows = await executor.fetch(
        _OF_ACCOUNT,
        account=account_id,
        environment=environment,
        key=key_id,
        names=sorted({folded(name), name.upper()}),
    )
    by_exchange: dict[str, list[Listed]] = {}
    for exchange, *row in rows:
        by_exchange.setdefault(exchange, []).extend(_listed([row]))
    found = {name}
    for exchange, listed in by_exchange.items():
        meant = find(name, listed, Place(exchange, environment, None, None))
        if meant is not None:
            found.add(meant.symbol)
    return tuple(sorted(found))


def _listed(rows: Sequence[Iterable[Any]]) -> list[Listed]:
    return [
        Listed(symbol, ContractKind(contract_type), *rest) for symbol, contract_type, *rest in rows
    ]

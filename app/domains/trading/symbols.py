"""Names of instruments: each exchange's own symbols, and the spellings that libraries share.

A symbol that a caller sends is understood in the exchange's own spelling, in any case, or as the
unified symbol that ccxt and freqtrade use: `BTC/USDT:USDT` for a perpetual, with its day of
delivery for a dated contract (`BTC/USDT:USDT-261225`). XBT and BTC are the same asset. Answers show
the exchange's own spelling.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from app.domains.trading.errors import AmbiguousSymbol
from botkeys.exchanges.model import ContractKind

ASSET_SPELLINGS: Mapping[str, str] = {"BTC": "XBT"}
"""Assets that some exchanges spell differently."""

_OURS = {theirs: ours for ours, theirs in ASSET_SPELLINGS.items()}


class Listed(NamedTuple):
    """An instrument that an exchange lists or listed.

    `size` is what one unit of quantity stands for, `changed_at` when size or settle asset last
    changed, and `expires_at` when a dated contract is delivered.
    """

    symbol: str
    contract_type: ContractKind
    size: Decimal
    settle: str
    base: str
    quote: str
    expires_at: datetime | None
    listed: bool
    region: str
    changed_at: datetime | None

    @property
    def unified(self) -> str:
        return unified_symbol(self.base, self.quote, self.settle, self.expires_at)


class Place(NamedTuple):
    """Where symbols are looked up. `region` is `None` if it is not known, and `contract_type` only
    decides between instruments that share a symbol.
    """

    exchange: str
    environment: str
    region: str | None
    contract_type: str | None


def unified_symbol(base: str, quote: str, settle: str, expires_at: datetime | None) -> str:
    """Return the name of an instrument as ccxt and freqtrade spell it."""
    name = f"{base}/{quote}:{settle}"
    return name if expires_at is None else f"{name}-{expires_at.astimezone(UTC):%y%m%d}"


def is_foreign(name: str) -> bool:
    """Return whether the name may be another spelling: unified, or not in capitals.

    Only such names are worth looking up on paths where every statement counts.
    """
    return "/" in name or not name.isupper()


def folded(name: str) -> str:
    """Return the name in the one spelling that names are compared in."""
    capitals = name.upper()
    pair, slash, rest = capitals.partition("/")
    if not slash:
        return capitals
    quote, colon, settle = rest.partition(":")
    asset, dash, day = settle.partition("-")
    return f"{_ours(pair)}/{_ours(quote)}{colon}{_ours(asset)}{dash}{day}"


def _ours(asset: str) -> str:
    return _OURS.get(asset, asset)


def find(name: str, candidates: Iterable[Listed], place: Place) -> Listed | None:
    """Return the instrument that the name means, or `None` if there is none.

    The exchange's own spelling takes precedence over another case of it, and both over unified
    names; what is listed over what was, then the place's region and contract type over others.
    Raises `AmbiguousSymbol` if two instruments remain.
    """
    rows = list(candidates)
    wanted = folded(name)
    for fits in (
        [row for row in rows if row.symbol == name],
        [row for row in rows if row.symbol.upper() == name.upper()],
        [row for row in rows if folded(row.unified) == wanted],
    ):
        if fits:
            return _only(fits, place)
    return None


def _only(fits: Sequence[Listed], place: Place) -> Listed:
    kept = [row for row in fits if row.listed] or list(fits)
    kept = [row for row in kept if row.region == place.region] or kept
    symbols = sorted({row.symbol for row in kept})
    if len(symbols) > 1:
        raise AmbiguousSymbol(symbols)
    return max(kept, key=lambda row: (row.contract_type == place.contract_type, row.region))

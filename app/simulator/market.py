"""Assets and their prices, the same for every exchange but for a small basis of its own.

A price is a function of the seed and the time only: the same moment of the same seed has the same
price in every process, and a second later another.
"""

import hmac
import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache

DAY_S = 86_400.0
SLOT_S = 600.0
# Three waves: amplitude as a fraction of the price, and period in seconds.
_WAVES = ((0.03, 6.3 * 3600), (0.006, 47 * 60.0), (0.0008, 61.0))
_LEVERAGES = (125, 100, 100, 75, 75, 50, 50, 25, 20)


@dataclass(frozen=True, slots=True)
class Asset:
    """An asset. `price` is in USD for one unit, `turnover` in USD a day over all venues.

    `thousands`: several exchanges list this one in units of a thousand, as 1000SHIB.
    """

    name: str
    price: float
    turnover: float
    max_leverage: int
    thousands: bool = False


@dataclass(frozen=True, slots=True)
class Quote:
    """Prices in the quote asset, rounded to the tick; `turnover` in the quote asset over 24 h."""

    last: Decimal
    mark: Decimal
    index: Decimal
    bid: Decimal
    ask: Decimal
    open: Decimal
    high: Decimal
    low: Decimal
    average: Decimal
    turnover: Decimal
    trades: int


_COINS = (
    ("BTC", 91_000.0),
    ("ETH", 3_150.0),
    ("SOL", 142.0),
    ("XRP", 2.21),
    ("BNB", 905.0),
    ("DOGE", 0.162),
    ("ADA", 0.512),
    ("TRX", 0.281),
    ("LINK", 14.2),
    ("AVAX", 15.1),
    ("LTC", 92.0),
    ("BCH", 485.0),
    ("DOT", 2.62),
    ("UNI", 7.3),
    ("SHIB", 0.0000088),
    ("PEPE", 0.0000046),
    ("NEAR", 2.25),
    ("APT", 3.1),
    ("ARB", 0.24),
    ("OP", 0.36),
    ("ATOM", 2.7),
    ("FIL", 1.92),
    ("ETC", 15.3),
    ("XLM", 0.262),
    ("HBAR", 0.151),
    ("SUI", 1.63),
    ("TON", 1.71),
    ("AAVE", 176.0),
    ("INJ", 6.1),
    ("SAND", 0.171),
    ("MANA", 0.183),
    ("GALA", 0.0082),
    ("XTZ", 0.61),
    ("ALGO", 0.153),
    ("VET", 0.0152),
    ("ICP", 4.52),
    ("RUNE", 0.81),
    ("CRV", 0.452),
    ("LDO", 0.72),
    ("WIF", 0.41),
    ("BONK", 0.0000112),
    ("FLOKI", 0.0000514),
    ("TIA", 0.66),
    ("SEI", 0.141),
    ("ENA", 0.29),
)
_THOUSANDS = {"SHIB", "PEPE", "BONK", "FLOKI"}
EQUITY = Asset("TSLA", 412.0, 90_000_000.0, 20)
METAL = Asset("XAU", 4_070.0, 60_000_000.0, 50)


def _asset(rank: int, name: str, price: float) -> Asset:
    return Asset(
        name=name,
        price=price,
        turnover=4e10 / (rank + 1) ** 1.4,
        max_leverage=_LEVERAGES[min(rank // 4, len(_LEVERAGES) - 1)],
        thousands=name in _THOUSANDS,
    )


def _invented(rank: int) -> Asset:
    """Return a coin with a unique name for every rank, so that a catalogue can have any length."""
    consonants, vowels = "BCDFGHJKLMNPRSTVWXYZ", "AEIOU"
    letters = []
    rest = rank
    for alphabet in (consonants, vowels, consonants, vowels, consonants):
        rest, at = divmod(rest, len(alphabet))
        letters.append(alphabet[at])
    return _asset(rank, "Q" + "".join(letters), 10 ** (2 - (rank * 7 % 60) / 10))


@lru_cache(maxsize=8)
def assets(count: int) -> Sequence[Asset]:
    """Return the `count` largest coins by turnover; the well-known ones come first."""
    known = [_asset(rank, name, price) for rank, (name, price) in enumerate(_COINS[:count])]
    return (*known, *(_invented(rank) for rank in range(len(known), count)))


def step(value: float, digits: int) -> Decimal:
    """Return the power of ten that leaves `value` with `digits` + 1 significant digits."""
    return Decimal(1).scaleb(math.floor(math.log10(value)) - digits)


def tick(price: float) -> Decimal:
    """Return a realistic price step: 0.1 for BTC, 0.01 for ETH, five digits for small coins."""
    return step(price, 5 if price >= 1 else 4)


def lot(price: float) -> Decimal:
    """Return a quantity step worth tens of USD: 0.001 for BTC; never above one coin."""
    return min(Decimal(1).scaleb(1 - math.floor(math.log10(price))), Decimal(1))


def text(number: Decimal) -> str:
    """Return a number as exchanges write it: never with an exponent."""
    return format(number, "f")


def to_step(number: Decimal, size: Decimal) -> Decimal:
    """Round to a multiple of `size`, at least one."""
    return max((number / size).quantize(Decimal(1), ROUND_HALF_EVEN), Decimal(1)) * size


class Market:
    """The prices of one venue. Venues differ by a basis below 0.1 % and by their share of trade."""

    def __init__(self, seed: str, venue: str, *, share: float) -> None:
        self._seed = seed.encode()
        self._venue = venue
        self._share = share
        self._phases: dict[str, tuple[float, ...]] = {}
        self._days: dict[str, tuple[float, tuple[float, float, float]]] = {}

    def _angles(self, name: str) -> tuple[float, ...]:
        if (found := self._phases.get(name)) is None:
            octets = hmac.digest(self._seed, name.encode(), "sha256")
            found = tuple(octet / 256 * math.tau for octet in octets[:3])
            self._phases[name] = found
        return found

    def price(self, asset: Asset, at: float) -> float:
        """Return USD for one unit at `at`, seconds since 1970."""
        moved = 1.0
        for (size, period), angle in zip(_WAVES, self._angles(asset.name), strict=True):
            moved += size * math.sin(math.tau * (at % period) / period + angle)
        return asset.price * moved

    def _day(self, asset: Asset, at: float) -> tuple[float, float, float]:
        """Return opening, highest and lowest price of the 24 hours before the current ten minutes.

        The result is cached until the next ten minutes begin: it is most of the work of a long
        listing.
        """
        slot = at // SLOT_S
        kept = self._days.get(asset.name)
        if kept is None or kept[0] != slot:
            past = [self.price(asset, slot * SLOT_S - DAY_S * part / 4) for part in range(5)]
            kept = self._days[asset.name] = (slot, (past[-1], max(past), min(past)))
        return kept[1]

    def quote(
        self, asset: Asset, at: float, size: Decimal, *, scale: int = 1, share: float = 1.0
    ) -> Quote:
        """Return the quote of a contract on `scale` units at `at`, with the price step `size`.

        `share` is its part of this venue's trade in the asset.
        """
        basis = self._angles(f"{self._venue} {asset.name}")

        def shown(price: float, times: float = 1.0) -> Decimal:
            return to_step(Decimal(price * scale * times), size)

        now = self.price(asset, at)
        times = 1 + 0.0008 * math.sin(basis[0])
        opened_at, highest, lowest = self._day(asset, at)
        last, opened = shown(now, times), shown(opened_at, times)
        high, low = shown(max(highest, now), times), shown(min(lowest, now), times)
        turnover = asset.turnover * self._share * share * (1 + 0.1 * math.sin(at / 7000 + basis[1]))
        return Quote(
            last=last,
            mark=shown(now, 1 + 0.0002 * math.sin(basis[2])),
            index=shown(now),
            bid=max(last - size, size),
            ask=last + size,
            open=opened,
            high=high,
            low=low,
            average=to_step((high + low + last) / 3, size),
            turnover=Decimal(turnover).quantize(Decimal("0.01")),
            trades=int(turnover // 5_000) + 1,
        )

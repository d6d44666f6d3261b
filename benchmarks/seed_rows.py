"""A year of ten bots, as lines for COPY. The same numbers give the same lines.

Amounts are integers in their smallest unit until they are written, so all are exact.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

TRADE_COLUMNS = (
    "account_id",
    "bot_id",
    "id",
    "key_id",
    "exchange",
    "environment",
    "contract_type",
    "symbol",
    "side",
    "quantity",
    "entry_price",
    "exit_price",
    "fees",
    "leverage",
    "margin_mode",
    "contract_size",
    "settle",
    "pnl",
    "opened_at",
    "closed_at",
    "exit_reason",
)
SNAPSHOT_COLUMNS = (
    "account_id",
    "bot_id",
    "id",
    "key_id",
    "exchange",
    "environment",
    "contract_type",
    "at",
    "equity",
    "balance",
    "unrealised_pnl",
    "settle",
    "reset",
)
BOTS = 10
_BASES = ("BTC", "ETH", "SOL", "XRP", "ADA", "DOGE", "LTC", "LINK", "AVAX", "DOT")
SYMBOLS = [f"{base}-USDT-SWAP" for base in _BASES]
UNTIL = datetime(2026, 11, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
_MICROSECOND = timedelta(microseconds=1)
_SINCE = UNTIL - YEAR
_START_CENTS = 2_500_000


class Places:
    """The bots and keys of the account: one key each, the last two settle in USDC."""

    def __init__(self, account: UUID) -> None:
        self.account = account
        self.bots = [uuid5(account, f"bot {number}") for number in range(BOTS)]
        self.keys = [uuid5(account, f"key {number}") for number in range(BOTS)]
        self.settles = ["USDT"] * (BOTS - 2) + ["USDC"] * 2

    def of(self, number: int, name: str) -> str:
        """Return the columns that all reported rows begin with."""
        bot, key = self.bots[number], self.keys[number]
        return f"{self.account}\t{bot}\t{name}\t{key}\tokx\tlive\tlinear"


def trades(places: Places, count: int, span: timedelta = YEAR) -> Iterator[str]:
    """Yield trades spread randomly over a time that ends with the year; a little more than half
    are profitable.
    """
    chance = random.Random(count)  # noqa: S311  # numbers to look at, not secrets
    step = span // _MICROSECOND // max(count, 1)
    for number in range(count):
        who = chance.randrange(BOTS)
        symbol = chance.randrange(len(SYMBOLS))
        closed = UNTIL - span + (number * step + chance.randrange(step)) * _MICROSECOND
        opened = closed - timedelta(seconds=chance.randrange(30, 14_400))
        entry = 10_000 + symbol * 1_000 + chance.randrange(1_000)
        moved = round(chance.gauss(1, 60))
        quantity = chance.randrange(1, 5_000)
        long = chance.random() < 0.6
        earned = (moved if long else -moved) * quantity
        fees = entry * quantity // 2_000
        yield (
            f"{places.of(who, f't{number}')}\t{SYMBOLS[symbol]}\t{'long' if long else 'short'}\t"
            f"{_number(quantity, 3)}\t{_number(entry, 2)}\t{_number(entry + moved, 2)}\t"
            f"{_number(fees, 5)}\t5\tcross\t1\t{places.settles[who]}\t"
            f"{_number(earned - fees, 5)}\t{opened}\t{closed}\t"
            f"{'take profit' if earned > 0 else 'stop'}\n"
        )


def snapshots(places: Places, count: int) -> Iterator[str]:
    """Yield snapshots of all bots in turn; the equity of each is a random walk."""
    chance = random.Random(count + 1)  # noqa: S311  # as above
    step = YEAR // _MICROSECOND // max(count, 1)
    cents = [_START_CENTS] * BOTS
    for number in range(count):
        who = number % BOTS
        at = _SINCE + (number * step + chance.randrange(step)) * _MICROSECOND
        cents[who] = max(cents[who] + round(chance.gauss(0.2, 900)), 1_000)
        open_cents = round(chance.gauss(0, 500))
        yield (
            f"{places.of(who, f's{number}')}\t{at}\t{_number(cents[who], 2)}\t"
            f"{_number(cents[who] - open_cents, 2)}\t{_number(open_cents, 2)}\t"
            f"{places.settles[who]}\tf\n"
        )


def _number(parts: int, places: int) -> str:
    sign = "-" if parts < 0 else ""
    whole, rest = divmod(abs(parts), 10**places)
    return f"{sign}{whole}.{rest:0{places}}"

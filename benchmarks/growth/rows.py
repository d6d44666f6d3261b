"""The rows of an installation with many accounts, in stages, so that it can grow.

Everything follows from the number of a key. Keys, their accounts and their bots are made here, as
lines for COPY into the table `growth.keys`; all else is what PostgreSQL makes of them
(`benchmarks.growth.tables`). Every hundredth key belongs to one big account; the others are spread
over an account for ten keys, unevenly, and those of an account do not lie side by side.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

KEYS_OF_AN_ACCOUNT = 10
OF_BIG = 100
"""Each how many keys one is the big account's."""

KEYS_OF_A_BOT = 3
EXCHANGES = (
    *("bybit", "okx", "binance", "kraken", "bitmex"),
    *("kucoin", "deribit", "gemini", "phemex", "woox"),
)
_MASK = (1 << 64) - 1
_FIRST_MOMENT = 1_750_000_000_000
_FIRST_NUMBER = 1 << 44

COLUMNS = (
    *("number", "account_id", "key_id", "bot_id", "big", "exchange", "environment"),
    "of_account",
)


def mixed(number: int) -> int:
    """Return 64 bits that look random."""
    number = (number + 0x9E3779B97F4A7C15) * 0xBF58476D1CE4E5B9 & _MASK
    number = (number ^ number >> 29) * 0x94D049BB133111EB & _MASK
    return number ^ number >> 32


def seeded_id(kind: str, number: int) -> str:
    """Return an id as of version 7, of a kind with three hexadecimal digits: it sorts by number."""
    moment = f"{_FIRST_MOMENT + number * 30_000:012x}"
    return f"{moment[:8]}-{moment[8:]}-7{kind}-8000-{_FIRST_NUMBER + number:012x}"


@dataclass(frozen=True)
class Stage:
    """The keys from one number to another, and the accounts that begin with them."""

    begin: int
    end: int
    big: UUID

    @cached_property
    def accounts(self) -> list[str]:
        """The accounts of this stage, the big one left out."""
        first, last = (number // KEYS_OF_AN_ACCOUNT for number in (self.begin, self.end))
        ids = (f"{mixed(number):016x}{mixed(number ^ _MASK):016x}" for number in range(first, last))
        return [f"{one[:8]}-{one[8:12]}-5{one[13:16]}-8{one[17:20]}-{one[20:]}" for one in ids]

    def lines(self) -> Iterator[str]:
        """Yield the keys of the stage, each with its number in its account, from 1 on.

        A tenth of the accounts have a third of the keys.
        """
        accounts, big = self.accounts, str(self.big)
        many, few = len(accounts), max(1, len(accounts) // 10)
        numbers: Counter[str] = Counter()
        for number in range(self.begin, self.end):
            of_big = number % OF_BIG == 0
            variety = number // OF_BIG + number % OF_BIG
            has_bot = of_big or number % KEYS_OF_A_BOT == 0
            bot = seeded_id("0b0", number) if has_bot else "\\N"
            account = (
                big if of_big else accounts[mixed(number) % (few if number % 10 < 3 else many)]
            )
            numbers[account] += 1
            yield (
                f"{number}\t{account}\t{seeded_id('0be', number)}\t{bot}\t"
                f"{'t' if of_big else 'f'}\t{EXCHANGES[variety // 5 % 10]}\t"
                f"{'live' if variety % 5 else 'testnet'}\t{numbers[account]}\n"
            )

"""A bot's own books: paper money, and what it reports of its work."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from botkeys.client import BotClient, BotClientError, ConfigAsset, Direction, Level, Position


@dataclass(frozen=True, slots=True)
class Quote:
    """A price of an asset. `kind` is the contract type, linear or inverse."""

    price: Decimal
    asset: ConfigAsset
    kind: str | None


class Books:
    """A balance in the settle asset, changed by each round trip.

    A real bot asks its exchange for balance and fees. Equity is reported every `every` seconds and
    after each round trip. If a record cannot be stored any more, the bot says so and continues
    trading.
    """

    def __init__(
        self,
        client: BotClient,
        *,
        every: float,
        say: Callable[[str], None],
        balance: Decimal = Decimal(10_000),
    ) -> None:
        self._client = client
        self._every = every
        self._say = say
        self._balance = balance
        self._next = 0.0

    def signal(self, symbol: str, side: str, *, acted: bool) -> None:
        direction: Direction = "long" if side == "long" else "short"
        self._try(
            lambda: self._client.record_signal(symbol, "mean reversion", direction, acted=acted)
        )

    def event(self, kind: str, message: str, *, level: Level = "info") -> None:
        self._try(lambda: self._client.record_event(kind, message, level=level))

    def closed(self, position: Position, quote: Quote, why: str) -> None:
        """Record a completed round trip; without a price there was none."""
        if position.exit_price is None:
            return
        self._try(lambda: self._client.record_trade(position, exit_reason=why))
        self._balance += gain(position, quote)
        self._next = 0.0

    def look(self, now: float, position: Position | None, quote: Quote) -> None:
        """Report the equity if it is due; `now` is in seconds."""
        settle = quote.asset.settle
        if now < self._next or settle is None:
            return
        self._next = now + self._every
        open_gain = Decimal(0) if position is None else gain(position, quote)
        self._try(
            lambda: self._client.record_equity(
                self._balance + open_gain, settle, balance=self._balance, unrealised_pnl=open_gain
            )
        )

    def _try(self, record: Callable[[], object]) -> None:
        try:
            record()
        except BotClientError as error:
            self._say(f"not recorded: {error.code}")


def gain(position: Position, quote: Quote) -> Decimal:
    """Return the position's profit at this price, before fees, in the settle asset.

    A linear contract is worth price · size, an inverse one -size / price.
    """
    entry, size = position.entry_price, quote.asset.contract_size
    if entry is None or size is None:
        return Decimal(0)
    inverse = quote.kind == "inverse"
    moved = 1 / entry - 1 / quote.price if inverse else quote.price - entry
    return moved * position.quantity * size * (1 if position.side == "long" else -1)

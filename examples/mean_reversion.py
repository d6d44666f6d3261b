"""A toy rule: a price that left its mean returns to it. It only shows where a rule belongs.

The rule is pure: it gets prices and returns intentions. Nothing here knows of the service or of an
exchange.
"""

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(slots=True)
class MeanReversion:
    """A rule that enters against a move of more than `threshold` from the mean of `window` prices.

    It exits with a gain of `target`, a loss of `stop`, all as fractions of the price, or after
    `hold` seconds. Exits need no permission; `exit` is called with every price while a position is
    open.
    """

    window: int = 8
    threshold: Decimal = Decimal("0.0002")
    target: Decimal = Decimal("0.002")
    stop: Decimal = Decimal("0.005")
    hold: float = 600.0
    _prices: deque[Decimal] = field(default_factory=deque)

    def entry(self, price: Decimal) -> str | None:
        """Return `long`, `short`, or None."""
        self._prices.append(price)
        if len(self._prices) <= self.window:
            return None
        self._prices.popleft()
        mean = sum(self._prices, Decimal(0)) / self.window
        if abs(price - mean) <= self.threshold * mean:
            return None
        return "long" if price < mean else "short"

    def exit(self, side: str, entry: Decimal, price: Decimal, held: float) -> str | None:
        """Return the reason to exit, or None."""
        gain = (price - entry) / entry * (1 if side == "long" else -1)
        if gain >= self.target:
            return "target"
        if gain <= -self.stop:
            return "stop"
        return "time" if held >= self.hold else None

"""What an account's orders come to at a simulated exchange: resting orders, positions, leverage."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

DEFAULT_LEVERAGE = 10


@dataclass(frozen=True, slots=True)
class Position:
    """A net position: a short one has a negative quantity. `price` is that of its last opening."""

    quantity: Decimal
    price: Decimal


@dataclass(slots=True)
class Book:
    """One account's orders at rest, by id in the exchange's own form; its positions by symbol."""

    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    positions: dict[str, Position] = field(default_factory=dict)
    leverage: dict[str, int] = field(default_factory=dict)

    def fill(self, symbol: str, quantity: Decimal, price: Decimal) -> None:
        """Trade a quantity, negative if it is sold; what comes to nothing is no position."""
        held = self.positions.get(symbol)
        total = quantity if held is None else held.quantity + quantity
        if total:
            grown = held is None or abs(total) > abs(held.quantity)
            self.positions[symbol] = Position(total, price if grown or held is None else held.price)
        else:
            self.positions.pop(symbol, None)

    def resting(self, symbol: str | None) -> Iterator[dict[str, Any]]:
        """Yield the orders at rest of one symbol, or of all."""
        return (order for order in self.orders.values() if symbol in {None, order["symbol"]})

    def held(self, symbol: str | None) -> Iterator[tuple[str, Position]]:
        """Yield the positions of one symbol, or of all."""
        return (item for item in self.positions.items() if symbol in {None, item[0]})

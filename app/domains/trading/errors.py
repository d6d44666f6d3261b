"""Refusals that concern trading data.

AppError
├── KeyNotAssigned        409 key_not_assigned
├── DataDeleted           409 data_deleted
├── OpenPositions         409 open_positions, with `count`; its children say whose they are
├── AmbiguousSymbol       422 ambiguous_symbol, with `symbols`
├── OpenOrders            409 open_orders, with `count`; its children say whose they are
└── ClockAhead            422 clock_ahead, with `now`
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from app.errors import AppError


class KeyNotAssigned(AppError):
    status = 409
    code = "key_not_assigned"
    title = "The key is not assigned to the bot"
    detail = (
        "A new position is opened with the bot's current key; reports may name a key that the bot "
        "had before. Fetch the configuration to see the current key, or omit `key_id`."
    )


class DataDeleted(AppError):
    status = 409
    code = "data_deleted"
    title = "The data were deleted"
    detail = "Data of that time or of that key were deleted and are not stored again."


class OpenPositions(AppError):
    """The refusal of a change because `count` positions are open."""

    status = 409
    code = "open_positions"
    title = "There are open positions"
    member_names = ("count",)
    sentence: ClassVar[str] = "There are {count} open {noun}. Close them first."
    """The detail, with places for `count` and for the `noun` that goes with it."""

    def __init__(self, count: int) -> None:
        noun = "position" if count == 1 else "positions"
        super().__init__(self.sentence.format(count=count, noun=noun), count=count)


class AmbiguousSymbol(AppError):
    """`symbols` are the instruments that the name may mean, in the exchange's own spelling."""

    status = 422
    code = "ambiguous_symbol"
    title = "The symbol means several instruments"
    member_names = ("symbols",)

    def __init__(self, symbols: Sequence[str]) -> None:
        meant = f"{', '.join(symbols[:-1])} or {symbols[-1]}"
        super().__init__(
            f"The symbol may mean {meant}. Send the exchange's own spelling.",
            symbols=list(symbols),
        )


class OpenOrders(AppError):
    """The refusal of a change because `count` orders rest at the exchange."""

    status = 409
    code = "open_orders"
    title = "There are resting orders"
    member_names = ("count",)
    sentence: ClassVar[str] = "{count} {noun} at the exchange. Cancel them first."
    """The detail, with places for `count` and for the `noun` and verb that go with it."""

    def __init__(self, count: int) -> None:
        noun = "order rests" if count == 1 else "orders rest"
        super().__init__(self.sentence.format(count=count, noun=noun), count=count)


TOLERANCE = timedelta(minutes=5)
"""How far the clock of a bot may be ahead."""


class ClockAhead(AppError):
    """`now` is the service's time."""

    status = 422
    code = "clock_ahead"
    title = "A reported time is in the future"
    member_names = ("now",)
    detail = (
        "A reported time is more than 5 minutes ahead of the service's clock. Correct the bot's "
        "clock."
    )

    def __init__(self, now: datetime) -> None:
        super().__init__(now=now)

"""Refusals that concern trading data.

AppError
├── PositionConflict      409 position_conflict, with `symbol` and `side`
├── PositionAmbiguous     409 position_ambiguous, with `bots`
├── KeyNotAssigned        409 key_not_assigned
├── DataDeleted           409 data_deleted
└── ClockAhead            422 clock_ahead, with `now`
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from app.errors import AppError


class PositionConflict(AppError):
    """`symbol` and `side` belong to the stored position."""

    status = 409
    code = "position_conflict"
    title = "This id belongs to another position"
    member_names = ("symbol", "side")
    detail = (
        "The bot has used this id for another symbol, side or contract type. Give each position "
        "an id of its own."
    )

    def __init__(self, symbol: str, side: str) -> None:
        super().__init__(symbol=symbol, side=side)


class PositionAmbiguous(AppError):
    """`bots` is a list of `{id, name}`."""

    status = 409
    code = "position_ambiguous"
    title = "Several bots hold a position of this id"
    member_names = ("bots",)
    detail = "Say whose position is meant: name one of `bots` in the query, as `bot_id`."

    def __init__(self, bots: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(bots=list(bots))


class KeyNotAssigned(AppError):
    status = 409
    code = "key_not_assigned"
    title = "The key is not this bot's"
    detail = (
        "A new position is opened with the key that the bot has now; a report may name one that it "
        "had before. Fetch the configuration to see the present key, or leave `key_id` out."
    )


class DataDeleted(AppError):
    status = 409
    code = "data_deleted"
    title = "The data were deleted"
    detail = "Data of that time or of that key were deleted, and are not stored again."


TOLERANCE = timedelta(minutes=5)
"""How far the clock of a bot may be ahead."""


class ClockAhead(AppError):
    """`now` is the service's time."""

    status = 422
    code = "clock_ahead"
    title = "A time lies in the future"
    member_names = ("now",)
    detail = "A reported time is more than 5 minutes ahead of the service. Set the bot's clock."

    def __init__(self, now: datetime) -> None:
        super().__init__(now=now)

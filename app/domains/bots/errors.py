"""Refusals that concern bots.

AppError
├── OpenPositions     409 open_positions, with `count`
└── NoKey             409 no_key
"""

from app.errors import AppError


class OpenPositions(AppError):
    status = 409
    code = "open_positions"
    title = "There are open positions"
    member_names = ("count",)

    def __init__(self, count: int) -> None:
        noun = "position" if count == 1 else "positions"
        super().__init__(
            f"The bot has {count} open {noun}. Close them first: only their bot, with the key that "
            "they were opened with, can manage them.",
            count=count,
        )


class NoKey(AppError):
    """The refusal of a call that needs a key. `blocked_by` is present if an opening was refused."""

    status = 409
    code = "no_key"
    title = "The bot has no key"
    member_names = ("blocked_by",)
    detail = "No key is assigned to this bot. Assign one to it first."

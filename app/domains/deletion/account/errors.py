"""Refusals that concern the closing of an account.

AppError
└── PositionsStillOpen    409 open_positions, with `count`
"""

from app.errors import AppError


class PositionsStillOpen(AppError):
    """The refusal to close an account in which `count` positions are open."""

    status = 409
    code = "open_positions"
    title = "There are open positions"
    member_names = ("count",)

    def __init__(self, count: int = 1) -> None:
        noun = "position" if count == 1 else "positions"
        super().__init__(
            f"The account has {count} open {noun}, which no bot will manage once it is closed. "
            "Close them first, or send `force=true`.",
            count=count,
        )

"""Refusals that concern the closing of an account.

AppError
├── AccountClosing        403 account_closing, with `operation_id`
└── PositionsStillOpen    409 open_positions, with `count`
"""

from uuid import UUID

from app.errors import AppError


class AccountClosing(AppError):
    status = 403
    code = "account_closing"
    title = "The account is being closed"
    member_names = ("operation_id",)
    detail = (
        "The account is being closed. Until it is done only the operation that closes it can be "
        "read, at /v1/operations/{operation_id}; afterwards a newer token starts an empty account."
    )

    def __init__(self, operation_id: UUID | None = None) -> None:
        super().__init__(operation_id=operation_id)


class PositionsStillOpen(AppError):
    """`count` is how many."""

    status = 409
    code = "open_positions"
    title = "There are open positions"
    member_names = ("count",)

    def __init__(self, count: int = 1) -> None:
        noun = "position" if count == 1 else "positions"
        super().__init__(
            f"The account has {count} open {noun}, which no bot will look after once it is closed. "
            "Close them first, or send `force=true`.",
            count=count,
        )

"""Refusals that concern an account as a whole.

AppError
└── AccountClosing    403 account_closing, with `operation_id`
"""

from uuid import UUID

from app.errors import AppError


class AccountClosing(AppError):
    status = 403
    code = "account_closing"
    title = "The account is being closed"
    member_names = ("operation_id",)
    detail = (
        "The account is being closed. Until it is closed, only the closing "
        "operation can be read, at /v1/operations/{operation_id}; afterwards "
        "a newer token starts an empty account."
    )

    def __init__(self, operation_id: UUID | None = None) -> None:
        super().__init__(operation_id=operation_id)

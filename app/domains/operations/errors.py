"""Refusals that concern deletions and operations.

AppError
└── NotCancellable    409 not_cancellable, with `operation_status`
"""

from app.errors import AppError


class NotCancellable(AppError):
    """`operation_status` is `queued` or `running`."""

    status = 409
    code = "not_cancellable"
    title = "The operation cannot be cancelled"
    member_names = ("operation_status",)
    detail = (
        "What is being deleted is deleted for you already: nothing shows it, and bots may have "
        "been refused what belongs to it. To stop half-way would keep rows that nobody can see."
    )

    def __init__(self, operation_status: str = "running") -> None:
        super().__init__(operation_status=operation_status)

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
        "The data are already hidden, and late reports of them may have been refused. Cancelling "
        "now would leave rows that nobody can see."
    )

    def __init__(self, operation_status: str = "running") -> None:
        super().__init__(operation_status=operation_status)

"""Refusals that concern deletions and operations.

AppError
├── NotCancellable        409 not_cancellable, with `operation_status`
└── UnknownKeys           404 not_found, with `key_ids`
"""

from collections.abc import Iterable
from uuid import UUID

from app.errors import AppError, NotFound


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


class UnknownKeys(NotFound):
    """`key_ids` are those that are not the account's, or of which nothing is left."""

    member_names = ("key_ids",)

    def __init__(self, key_ids: Iterable[UUID] = ()) -> None:
        super().__init__(
            "Your account has no such keys, nor data of them: see `key_ids`.",
            key_ids=sorted(key_ids),
        )

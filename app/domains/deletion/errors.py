"""Refusals that concern deletions of trading data.

AppError
└── UnknownKeys    404 not_found, with `key_ids`
"""

from collections.abc import Iterable
from uuid import UUID

from app.errors import NotFound


class UnknownKeys(NotFound):
    """`key_ids` are not the account's, or nothing of them is left."""

    member_names = ("key_ids",)

    def __init__(self, key_ids: Iterable[UUID] = ()) -> None:
        super().__init__(
            "Your account has neither these keys nor data of them: see `key_ids`.",
            key_ids=sorted(key_ids),
        )

"""Refusals that concern imports.

AppError
├── ImportInProgress          409 import_in_progress
├── ImportEnded               409 import_ended
├── InvalidRequest            422 invalid_request, for a file that cannot be read
└── RateLimited
    └── DailyImportExceeded   429 daily_import_exceeded, with `limit` and `retry_after`
"""

from app.errors import AppError, InvalidRequest, RateLimited


class ImportInProgress(AppError):
    status = 409
    code = "import_in_progress"
    title = "The account has an import in progress"
    detail = (
        "An account has one import at a time, also for a few seconds after one was refused. "
        "Wait until it has ended (`GET /v1/operations`), or cancel it."
    )

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": "5"}


class ImportEnded(AppError):
    """The operation was cancelled, or its account is being closed, or its upload stalled."""

    status = 409
    code = "import_ended"
    title = "The import has ended before its file did"
    detail = (
        "The import was cancelled, its key was deleted, or its file stopped arriving for too long. "
        "Nothing was stored."
    )


class DailyImportExceeded(RateLimited):
    """`limit` is how many rows an account may import on a UTC day, which ends in `retry_after`."""

    code = "daily_import_exceeded"
    title = "The account has imported as many rows today as it may"
    member_names = ("limit", "retry_after")

    def __init__(self, limit: int, seconds: float) -> None:
        super().__init__(
            seconds,
            f"An account may import {limit} rows a day (UTC). Continue tomorrow.",
        )
        self.members["limit"] = limit


def unreadable(sentence: str) -> InvalidRequest:
    """Return the refusal of a file that cannot be read. The sentence contains nothing of it."""
    fault = {"loc": ["body"], "type": "file_unreadable", "msg": sentence}
    return InvalidRequest([fault], f"{sentence} Nothing was stored.")


def unfit(name: str, kind: str, sentence: str) -> InvalidRequest:
    """Return the refusal of a query parameter that does not fit."""
    return InvalidRequest([{"loc": ["query", name], "type": kind, "msg": sentence}])

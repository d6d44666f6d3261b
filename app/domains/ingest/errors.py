"""Refusals that concern batches.

AppError
└── RateLimited
    └── DailyRowsExceeded    429 daily_rows_exceeded, with `limit` and `retry_after`
"""

from app.errors import RateLimited


class DailyRowsExceeded(RateLimited):
    """`limit` is how many rows a bot may store on a UTC day, which ends in `retry_after`."""

    code = "daily_rows_exceeded"
    title = "The bot has stored as many rows today as it may"
    member_names = ("limit", "retry_after")

    def __init__(self, limit: int, seconds: float) -> None:
        super().__init__(
            seconds,
            f"A bot may store {limit} rows a day (UTC). Nothing of this batch was stored; send it "
            "again tomorrow, or report less often.",
        )
        self.members["limit"] = limit

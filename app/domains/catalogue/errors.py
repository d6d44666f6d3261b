"""Refusals that concern the catalogue.

AppError
└── RefreshLimited    429 rate_limited, with `retry_after`
"""

from app.errors import RateLimited


class RefreshLimited(RateLimited):
    def __init__(self, retry_after: int) -> None:
        super().__init__(
            retry_after,
            f"This list was fetched a moment ago. It can be fetched again in "
            f"{max(1, retry_after)} seconds; prices are updated every minute anyway.",
        )

"""Refusals that concern a bot at run time.

AppError
├── ReleaseLimited          429 rate_limited, with `retry_after`
├── CredentialsUnreadable   409 credentials_unreadable
└── MasterKeyMissing        503 unavailable
"""

from app.errors import AppError, RateLimited, Unavailable


class ReleaseLimited(RateLimited):
    def __init__(self, limit: int, retry_after: int) -> None:
        super().__init__(
            retry_after,
            f"A bot may fetch its credentials {limit} times per hour. Keep them in memory; try "
            f"again in {max(1, retry_after)} seconds.",
        )


class CredentialsUnreadable(AppError):
    """The stored data do not open for this account, key and version: they were altered or moved."""

    status = 409
    code = "credentials_unreadable"
    title = "The stored credentials cannot be opened"
    detail = (
        "The sealed credentials do not belong to this key, or were altered. Nothing was released. "
        "Add the key again and inform the operator of this service."
    )


class MasterKeyMissing(Unavailable):
    detail = (
        "The service does not hold the master key that these credentials are sealed to. The "
        "operator must install it."
    )

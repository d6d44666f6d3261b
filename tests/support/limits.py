"""Limits of requests for the tests."""

from typing import Any

from app.limits.policy import RequestRates
from app.limits.requests import RequestLimits
from app.limits.shared import SharedStore

MINUTE = 60
ABUNDANT: dict[str, Any] = {
    "requests_per_account": 1_000_000,
    "requests_per_bot": 1_000_000,
    "unproven_requests_per_address": 1_000_000,
    "rows_per_bot_and_day": 1_000_000_000,
}
"""Settings that limit no test: one address and one account make the requests of many."""


def request_limits(
    *,
    account: int = 1_000_000,
    bot: int = 1_000_000,
    address: int = 1_000_000,
    key_checks: int = 1000,
    store: SharedStore | None = None,
    counted: list[str] | None = None,
) -> RequestLimits:
    """Return limits of a process as requests in a minute, all of which may come at once.

    `counted` gets the name of the limit at each refusal.
    """
    return RequestLimits(
        RequestRates(account / MINUTE, bot / MINUTE, address / MINUTE, MINUTE),
        key_checks_per_minute=key_checks,
        store=store,
        count=([] if counted is None else counted).append,
    )

"""The settings of the limits of requests."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestRates:
    """Requests a second, and how many seconds' worth of them may come at once."""

    of_account: float = 100
    of_bot: float = 20
    of_unproven_address: float = 20
    burst: float = 5

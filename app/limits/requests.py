"""The limits of requests in a process: by account, by bot, and by address.

A bot is counted by its token, of which it has one at a time.
"""

from collections.abc import Callable
from uuid import UUID

from app.errors import RateLimited, RatePolicy
from app.kit.buckets import Buckets
from app.limits.addresses import AddressGuard
from app.limits.policy import RequestRates
from app.limits.shared import SharedBuckets, SharedStore

ACCOUNT, BOT, ADDRESS, KEY_CHECKS = "account", "bot", "address", "key-checks"
SIGN_IN = "sign-in"
SIGN_INS_PER_SECOND = 2.0
_SIGN_IN_SECONDS = 15.0
Count = Callable[[str], None]


class RequestLimit:
    """One limit. A caller above it gets `RateLimited`, which costs next to nothing."""

    def __init__(
        self,
        name: str,
        rate: float,
        seconds: float,
        store: SharedStore | None,
        count: Count,
        detail: str | None = None,
    ) -> None:
        buckets = Buckets(rate, seconds)
        self.policy = RatePolicy(name, buckets.quota, buckets.seconds)
        self.buckets = SharedBuckets(name, buckets, store)
        self._count = count
        self._detail = detail

    async def take(self, name: UUID | str | int) -> None:
        """Count a request; raise `RateLimited` if there were too many."""
        # Hashing a UUID takes longer than hashing its number.
        wait = await self.buckets.take(name.int if isinstance(name, UUID) else name)
        if wait:
            raise self._limited(wait)

    def require(self, name: int) -> None:
        """Raise `RateLimited` if there were too many, and count nothing."""
        wait = self.buckets.wait(name)
        if wait:
            raise self._limited(wait)

    def _limited(self, wait: float) -> RateLimited:
        self._count(self.policy.name)
        return RateLimited(wait, self._detail, policy=self.policy)


class RequestLimits:
    """All limits of a process; `count` is called with the name of the limit at each refusal."""

    def __init__(
        self,
        rates: RequestRates,
        *,
        key_checks_per_minute: int,
        store: SharedStore | None,
        count: Count,
    ) -> None:
        burst = rates.burst
        self.account = RequestLimit(ACCOUNT, rates.of_account, burst, store, count)
        self.bot = RequestLimit(BOT, rates.of_bot, burst, store, count)
        self.key_checks = RequestLimit(
            KEY_CHECKS,
            key_checks_per_minute / 60,
            60,
            store,
            count,
            "Too many keys were checked within a minute. Try again later.",
        )
        self.sign_in = RequestLimit(
            SIGN_IN,
            SIGN_INS_PER_SECOND,
            _SIGN_IN_SECONDS,
            store,
            count,
            "Too many attempts to sign in came from this address. Try again in a moment.",
        )
        refusals = Buckets(rates.of_unproven_address, burst)
        self.addresses = AddressGuard(
            SharedBuckets(ADDRESS, refusals, store),
            RatePolicy(ADDRESS, refusals.quota, refusals.seconds),
            lambda: count(ADDRESS),
        )

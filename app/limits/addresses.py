"""What an address may send before it has proven who it is.

A caller with a valid token is never counted here, so one broken client does not shut out the others
behind the same address. Only refused requests are counted. Once an address
has had too many, nothing costly is done any more for a token from there (a signature verified, a
bot looked up), with two exceptions:

- The account or bot that the token claims has proven itself from this address in the last minutes:
  it may be wrong once a second. So those who are there already can renew their tokens whatever
  their neighbours send.
- Others are looked at at a low rate, so that a newcomer gets in while a neighbour is merely broken.
"""

from collections.abc import Callable, Hashable

from app.errors import AppError, RateLimited, RatePolicy
from app.kit.buckets import Buckets
from app.limits.shared import SharedBuckets

NEWCOMERS_PER_SECOND = 5.0
MISTAKES_PER_SECOND = 1.0
PROVEN_SECONDS = 900.0
_SECONDS = 5.0
_DETAIL = "Too many requests without a valid token came from this address. Try again in {} s."


class AddressGuard:
    """The guard of a process. What it counts for an address that has had too many is its own."""

    def __init__(
        self, refusals: SharedBuckets, policy: RatePolicy, count: Callable[[], None]
    ) -> None:
        self._refusals = refusals
        self._policy = policy
        self._count = count
        self._newcomers = Buckets(NEWCOMERS_PER_SECOND, _SECONDS)
        self._mistakes = Buckets(MISTAKES_PER_SECOND, _SECONDS)
        self._proven = Buckets(1 / PROVEN_SECONDS, PROVEN_SECONDS)

    def visit(self, address: str) -> "Visit":
        return Visit(self, address)

    def admit(self, address: str, claimed: Callable[[], Hashable]) -> tuple[str, Hashable] | None:
        """Return None if the address may send anything, else who may be wrong now.

        Raises `RateLimited` if the token is not to be looked at.
        """
        wait = self._refusals.wait(address)
        if not wait:
            return None
        visitor = (address, claimed())
        late = self._mistakes.wait(visitor)
        if not late and not self._proven.wait(visitor):
            late = self._newcomers.take(address)
        if late:
            raise self._limited(max(wait, late))
        return visitor

    def proved(self, address: str, who: Hashable) -> None:
        self._proven.take((address, who))

    async def refused(
        self, address: str, visitor: tuple[str, Hashable] | None, error: AppError
    ) -> AppError:
        """Count a refusal and return what to answer: the error, or that there were too many."""
        if visitor is not None:
            self._mistakes.take(visitor)
            return error
        wait = await self._refusals.take(address)
        return self._limited(wait) if wait else error

    def _limited(self, wait: float) -> RateLimited:
        self._count()
        error = RateLimited(wait, policy=self._policy)
        error.detail = _DETAIL.format(error.retry_after)
        return error


class Visit:
    """One request from an address, until it is known whose it is."""

    __slots__ = ("_address", "_guard", "_visitor")

    def __init__(self, guard: AddressGuard, address: str) -> None:
        self._guard = guard
        self._address = address
        self._visitor: tuple[str, Hashable] | None = None

    def admit(self, claimed: Callable[[], Hashable]) -> None:
        """Raise `RateLimited` unless the token may be looked at; `claimed` reads whose it says it
        is.
        """
        self._visitor = self._guard.admit(self._address, claimed)

    def proved(self, who: Hashable) -> None:
        self._guard.proved(self._address, who)

    async def refused(self, error: AppError) -> AppError:
        return await self._guard.refused(self._address, self._visitor, error)

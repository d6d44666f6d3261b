"""Asks an exchange about credentials, outside any transaction and within a few seconds."""

import asyncio
from dataclasses import dataclass

from limits import RateLimitItemPerMinute
from limits.aio.strategies import MovingWindowRateLimiter

from app.errors import RateLimited
from app.exchanges.advice import advice
from app.exchanges.errors import (
    BadPayload,
    CredentialsRefused,
    ExchangeError,
    NoEndpoint,
)
from app.exchanges.errors import RateLimited as ExchangeRateLimited
from app.exchanges.model import CredentialReport, Permissions
from app.exchanges.registry import Exchanges
from app.keys.credentials import KeyRequest
from app.keys.errors import CredentialsRejected
from app.telemetry import Metrics


@dataclass(frozen=True, slots=True)
class Verified:
    """`status` and `reason` as they stand in the key's `verification`."""

    status: str
    reason: str | None
    report: CredentialReport


SKIPPED = Verified("skipped", None, CredentialReport(Permissions()))


class CredentialCheck:
    """`timeout` is in seconds, for all calls of one check together."""

    def __init__(
        self,
        exchanges: Exchanges,
        metrics: Metrics,
        limiter: MovingWindowRateLimiter,
        *,
        timeout: float,
        per_minute: int,
    ) -> None:
        self._exchanges = exchanges
        self._metrics = metrics
        self._limiter = limiter
        self._timeout = timeout
        self._limit = RateLimitItemPerMinute(per_minute)

    async def run(self, request: KeyRequest, account: str) -> Verified:
        """What the exchange says. Raises `CredentialsRejected` where it says no.

        An exchange that cannot be asked, or whose answer makes no sense, says nothing about the
        credentials: they are taken, and everything about them is unknown.
        """
        if not await self._limiter.hit(self._limit, "key-checks", account):
            raise RateLimited(60, "Too many keys were checked in a minute. Wait a minute.")
        try:
            verified = await self._ask(request)
        except CredentialsRefused as refusal:
            self._count(request, "rejected")
            sentence = advice(request.exchange, refusal.reason, refusal.possible)
            raise CredentialsRejected(sentence, refusal.reason, refusal.possible) from None
        self._count(request, verified.status)
        return verified

    async def _ask(self, request: KeyRequest) -> Verified:
        adapter = self._exchanges.adapter(request.exchange)
        unknown = CredentialReport(Permissions())
        try:
            async with asyncio.timeout(self._timeout):
                report = await adapter.check_credentials(
                    request.credentials, request.environment, request.region, request.contract_type
                )
        except CredentialsRefused:
            raise
        except NoEndpoint:
            return Verified("unreachable", "no_endpoint", unknown)
        except ExchangeRateLimited:
            return Verified("unreachable", "rate_limited", unknown)
        except BadPayload:
            return Verified("unreachable", "bad_answer", unknown)
        except (ExchangeError, TimeoutError):
            return Verified("unreachable", "no_answer", unknown)
        return Verified("verified", None, report)

    def _count(self, request: KeyRequest, outcome: str) -> None:
        self._metrics.key_checks.labels(request.exchange, outcome).inc()

"""Asks an exchange about credentials, outside any transaction and within a few seconds."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.api.telemetry import Metrics
from app.custody.fingerprint import account_hash
from app.db.clock import NOW
from app.domains.keys.credential_input import KeyRequest
from app.domains.keys.errors import CredentialsRejected, WithdrawalPermission
from app.limits.requests import RequestLimit
from botkeys.exchanges.advice import advice
from botkeys.exchanges.errors import (
    BadPayload,
    CredentialsRefused,
    ExchangeError,
    NoEndpoint,
    Refused,
    Unreadable,
    unclear_reason,
)
from botkeys.exchanges.errors import RateLimited as ExchangeRateLimited
from botkeys.exchanges.model import CredentialReport, PermissionAnswer, Permissions
from botkeys.exchanges.registry import EXCHANGES, Exchanges
from botkeys.sealing.boxes import SecretBytes
from botkeys.transport.deadline import Deadline

PATIENCE = 10.0
"""Seconds a check may wait for its slot before the exchange is called; a burst of a few
dozen fits.
"""
_GRACE = 1.0


@dataclass(frozen=True, slots=True)
class Verified:
    """The result of a check: `status` and `reason` as they appear in the key's `verification`."""

    status: str
    reason: str | None
    report: CredentialReport
    code: str | None = None
    unverified: bool = False
    """Whether the exchange was not asked although it tells if a key can withdraw."""

    @property
    def columns(self) -> dict[str, Any]:
        """Return the columns of a key's row that the check sets."""
        permissions = self.report.permissions
        return {
            "permission_read": permissions.read,
            "permission_trade": permissions.trade,
            "permission_withdraw": permissions.withdraw,
            "permission_ip_restricted": permissions.ip_restricted,
            "expires_at": self.report.expires_at,
            "expiry_announced": None,
            "verification_status": self.status,
            "verification_reason": self.reason,
            "verification_possible": None,
            "verification_code": self.code,
            "verification_since": NOW,
            "verification_checked_at": None if self.status == "skipped" else NOW,
            "unverified": self.unverified,
            "health_checked_at": None,
        }


def skipped(*, unverified: bool) -> Verified:
    """Return the result of a check that was not made."""
    return Verified("skipped", None, CredentialReport(Permissions()), unverified=unverified)


def hashed_account(hmac_key: SecretBytes, request: KeyRequest, verified: Verified) -> bytes | None:
    """Return the keyed hash of the exchange account, or `None` if the exchange does not identify
    it.
    """
    account = verified.report.exchange_account
    if account is None:
        return None
    return account_hash(hmac_key, request.exchange, request.environment, account)


class CredentialCheck:
    """Checks of credentials.

    `timeout`: seconds for all calls of one check together. Waiting for a slot does not count, up to
    `PATIENCE`.

    `aside`: a context that is entered while the exchange is called; `turn`: another, inside of it,
    that waits until few enough checks of the account are under way.

    `refuse_withdrawal`: whether a key that is known to be able to withdraw is rejected.
    """

    def __init__(
        self,
        *,
        exchanges: Exchanges,
        metrics: Metrics,
        limit: RequestLimit,
        aside: Callable[[], AbstractAsyncContextManager[None]],
        turn: Callable[[], AbstractAsyncContextManager[object]],
        account_id: UUID,
        timeout: float,
        refuse_withdrawal: bool,
    ) -> None:
        self._exchanges = exchanges
        self._metrics = metrics
        self._limit = limit
        self._aside = aside
        self._turn = turn
        self._account_id = account_id
        self._timeout = timeout
        self._refuse_withdrawal = refuse_withdrawal

    async def run(self, request: KeyRequest) -> Verified:
        """Return what the exchange says about the credentials; `skipped`, perhaps
        `unverified`, if it is not to be asked.

        Raises `CredentialsRejected` if the exchange refuses them, `WithdrawalPermission` by policy,
        and `RateLimited` if the account had too many keys checked.

        If the exchange cannot be reached, or neither accepts nor rejects the credentials, nothing
        is known about them: they are accepted, and every answer about them is `unknown`.
        """
        if not request.verify:
            adapter = self._exchanges.adapter(request.exchange)
            unverified = adapter.tells_withdrawal(request.environment, request.region)
            return skipped(unverified=unverified)
        await self._limit.take(self._account_id)
        try:
            async with self._aside(), self._turn():
                verified = await self._ask(request)
        except CredentialsRefused as refusal:
            self._count(request, "rejected")
            sentence = advice(
                request.exchange, refusal.reason, refusal.possible, request.environment
            )
            raise CredentialsRejected(
                sentence, refusal.reason, refusal.possible, refusal.code
            ) from None
        self._count(request, verified.status)
        if self._refuse_withdrawal and verified.report.permissions.withdraw is PermissionAnswer.YES:
            raise WithdrawalPermission(EXCHANGES[request.exchange].name)
        return verified

    async def _ask(self, request: KeyRequest) -> Verified:
        adapter = self._exchanges.adapter(request.exchange)
        unknown = CredentialReport(Permissions())
        deadline = Deadline(self._timeout, PATIENCE)
        try:
            # The adapter keeps to the deadline and knows how the time was spent; this is the
            # backstop.
            async with asyncio.timeout(deadline.left_in_line() + _GRACE):
                report = await adapter.check_credentials(
                    request.credentials,
                    request.environment,
                    request.region,
                    request.contract_type,
                    deadline,
                )
        except CredentialsRefused:
            raise
        except NoEndpoint:
            return Verified("unreachable", "no_endpoint", unknown)
        except ExchangeRateLimited:
            return Verified("unreachable", "rate_limited", unknown)
        except Unreadable:  # of somebody in between, as far as anybody can tell
            return Verified("unreachable", "bad_answer", unknown)
        except (BadPayload, Refused) as error:
            return Verified("unknown", unclear_reason(error), unknown, error.code)
        except (ExchangeError, TimeoutError):
            return Verified("unreachable", "no_answer", unknown)
        return Verified("verified", None, report)

    def _count(self, request: KeyRequest, outcome: str) -> None:
        self._metrics.key_checks.labels(request.exchange, outcome).inc()

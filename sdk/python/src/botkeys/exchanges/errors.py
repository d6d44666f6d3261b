"""What can go wrong at an exchange, as one tree.

    ExchangeError
    ├── Unreachable          no answer, or a 5xx: proves nothing about the credentials (retryable)
    │   └── NoEndpoint       no host is known or set for this environment
    ├── RateLimited          (retryable, after `retry_after`)
    ├── BadPayload           an answer that cannot be understood
    └── Refused              the exchange refused the call
        └── CredentialsRefused   …because of the credentials, with a `RefusalReason`
            ├── InvalidKey · BadSignature · PassphraseRefused · KeyExpired · WrongEnvironment
            ├── PermissionRefused
            ├── IpNotAllowed
            └── ClockSkew

No message ever carries an exchange's own text: it may echo the key.
"""

from collections.abc import Sequence
from typing import ClassVar

from botkeys.exchanges.model import RefusalReason


class ExchangeError(Exception):
    """The base. `code` is the exchange's own error code as text, safe to log; never its message."""

    retryable: ClassVar[bool] = False

    def __init__(
        self, exchange: str, *, code: str | None = None, status: int | None = None
    ) -> None:
        self.exchange = exchange
        self.code = code
        self.status = status
        super().__init__(f"{exchange}: {type(self).__name__} code={code} status={status}")


class Unreachable(ExchangeError):
    retryable = True


class NoEndpoint(Unreachable):
    retryable = False


class RateLimited(ExchangeError):
    retryable = True

    def __init__(
        self,
        exchange: str,
        *,
        retry_after: float | None = None,
        code: str | None = None,
        status: int | None = None,
    ) -> None:
        self.retry_after = retry_after
        super().__init__(exchange, code=code, status=status)


class BadPayload(ExchangeError):
    pass


class Refused(ExchangeError):
    pass


class CredentialsRefused(Refused):
    """Refused credentials. With `reason` `refused`, `possible` has the causes it may mean."""

    reason: RefusalReason = RefusalReason.REFUSED

    def __init__(
        self,
        exchange: str,
        *,
        code: str | None = None,
        status: int | None = None,
        possible: Sequence[RefusalReason] = (),
    ) -> None:
        self.possible = tuple(possible)
        super().__init__(exchange, code=code, status=status)


class InvalidKey(CredentialsRefused):
    reason = RefusalReason.INVALID_KEY


class BadSignature(CredentialsRefused):
    reason = RefusalReason.BAD_SIGNATURE


class PassphraseRefused(CredentialsRefused):
    reason = RefusalReason.PASSPHRASE


class KeyExpired(CredentialsRefused):
    reason = RefusalReason.EXPIRED


class WrongEnvironment(CredentialsRefused):
    reason = RefusalReason.WRONG_ENVIRONMENT


class PermissionRefused(CredentialsRefused):
    reason = RefusalReason.PERMISSION


class IpNotAllowed(CredentialsRefused):
    reason = RefusalReason.IP_NOT_ALLOWED


class ClockSkew(CredentialsRefused):
    reason = RefusalReason.CLOCK_SKEW

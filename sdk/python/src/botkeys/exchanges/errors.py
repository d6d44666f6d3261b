"""What can go wrong at an exchange, as one tree.

    ExchangeError
    ├── Unreachable          no answer, or a 5xx: proves nothing about the credentials (retryable)
    │   └── NoEndpoint       no host is known or set for this environment
    ├── RateLimited          (retryable, after `retry_after`)
    ├── BadPayload           an answer that cannot be understood
    │   └── Unreadable       …not even as JSON: a page of somebody in between, or too large
    └── Refused              the exchange refused the call, for a reason that its `code` may tell
        ├── AddressRefused   …of anybody from our address, or the country that it is in
        └── CredentialsRefused   …because of the credentials, with a `RefusalReason`
            ├── InvalidKey · BadSignature · PassphraseRefused · KeyExpired · WrongEnvironment
            ├── PermissionRefused
            ├── AccountRefused
            ├── IpNotAllowed
            └── ClockSkew

No message ever carries an exchange's own text: it may echo the key.
"""

from collections.abc import Sequence
from typing import ClassVar

from botkeys.exchanges.model import RefusalReason, UnclearReason

OTHER_CODE = "other"
"""A code that is not repeated, because it is neither known, nor a number, nor a plain word."""


class ExchangeError(Exception):
    """The base. `code` is the exchange's own error code as text, safe to log; never its message."""

    retryable: ClassVar[bool] = False

    def __init__(
        self, exchange: str, *, code: str | None = None, status: int | None = None
    ) -> None:
        self.exchange = exchange
        self.code = code
        self.status = status
        super().__init__(self._text())

    def _text(self) -> str:
        return f"{self.exchange}: {type(self).__name__} code={self.code} status={self.status}"

    def hide_code(self) -> None:
        """Forget the code, which turned out to be part of the credentials."""
        self.code = OTHER_CODE
        self.args = (self._text(),)


class Unreachable(ExchangeError):
    """No answer. `explanation` says what somebody has to put right, where that is known."""

    retryable = True

    def __init__(
        self,
        exchange: str,
        *,
        code: str | None = None,
        status: int | None = None,
        explanation: str | None = None,
    ) -> None:
        self.explanation = explanation
        super().__init__(exchange, code=code, status=status)


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


class Unreadable(BadPayload):
    pass


class Refused(ExchangeError):
    pass


class AddressRefused(Refused):
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


class AccountRefused(CredentialsRefused):
    reason = RefusalReason.ACCOUNT


class IpNotAllowed(CredentialsRefused):
    reason = RefusalReason.IP_NOT_ALLOWED


class ClockSkew(CredentialsRefused):
    reason = RefusalReason.CLOCK_SKEW


def unclear_reason(error: BadPayload | Refused) -> UnclearReason:
    """Return why an answer that is no refusal of the credentials does not accept them either."""
    match error:
        case AddressRefused():
            return UnclearReason.ADDRESS_REFUSED
        case Refused():
            return UnclearReason.REFUSED
        case _:
            return UnclearReason.BAD_ANSWER

"""What can go wrong between a bot and its credentials. No message holds a secret.

BotClientError           with `code`
├── InsecureAddress      insecure_address: http:// to a host that is not this machine
├── MalformedToken       malformed_token: not a bot's token, or mistyped
├── Unreachable          unreachable: the service did not answer
├── MalformedAnswer      malformed_answer: this client does not understand the answer
├── WrongKey             wrong_key: for another account, bot, key, exchange or environment
├── OlderVersion         older_version: credentials that have been replaced since
├── CannotOpen           cannot_open: altered in transit, or sealed to another recipient
├── Forgotten            forgotten: dropped before this use
├── ReportsPending       reports_pending: `count` reports have not reached the service yet
├── TooManyReports       too_many_reports: the queue of unsent reports is full
├── OutboxUnusable       outbox_unusable: in use, damaged, of another bot, or not writable
├── NotRecordable        not_recordable: cannot be written as JSON, or too long
├── NotReserved          not_reserved: the answer does not permit sending an order
├── SizeUnknown          size_unknown: what a quantity is worth is not known, see `reason`
├── CcxtMissing          ccxt_missing: ccxt is not installed
├── CcxtUnsupported      ccxt_unsupported: ccxt cannot do what this key needs
├── ReportsRefused       reports_refused: the service refused records for good, see `refusals`
└── Refused              the service's own `code`, with `status`, `detail`, `request_id`
    ├── NotAuthenticated     401
    ├── Forbidden            403
    ├── NoKey                no_key
    ├── KeyInactive          key_inactive
    ├── MayNotOpen           409 to an opening, with all `reasons`
    ├── RateLimited          429, with `retry_after`
    └── ServiceUnavailable   503, with `retry_after`
"""

from dataclasses import dataclass
from typing import ClassVar

_LATER = frozenset({401, 408, 425, 429})
_SERVER_FAULT = 500


class BotClientError(Exception):
    """The base of all errors of this package: `code` is for programs, the text for people."""

    code: str = "client_error"


class InsecureAddress(BotClientError):
    code = "insecure_address"


class MalformedToken(BotClientError):
    code = "malformed_token"

    def __init__(self) -> None:
        super().__init__("This is not a bot's token (bkb_ and 92 characters). Copy it again.")


class Unreachable(BotClientError):
    """No answer. `retryable`: whether the same call may succeed later."""

    code = "unreachable"

    def __init__(self, cause: str, *, retryable: bool) -> None:
        self.retryable = retryable
        super().__init__(f"The service did not respond: {cause}.")


class MalformedAnswer(BotClientError):
    code = "malformed_answer"


class WrongKey(BotClientError):
    """A mismatch in `field`; `expected` and `received` are ids or names, never secrets."""

    code = "wrong_key"

    def __init__(self, field: str, *, expected: str, received: str) -> None:
        self.field = field
        self.expected = expected
        self.received = received
        super().__init__(
            f"The response is for {field} {received}, but this bot expects {expected}."
        )


class OlderVersion(BotClientError):
    code = "older_version"

    def __init__(self, *, seen: int, received: int) -> None:
        self.seen = seen
        self.received = received
        super().__init__(
            f"The service returned version {received} of the credentials after version {seen}."
        )


class CannotOpen(BotClientError):
    code = "cannot_open"

    def __init__(self) -> None:
        super().__init__("The credentials do not open: altered in transit, or not for this bot.")


class Forgotten(BotClientError):
    code = "forgotten"

    def __init__(self) -> None:
        super().__init__("These credentials were discarded. Fetch them again.")


class ReportsPending(BotClientError):
    """Unsent reports. They are not lost: delivery continues, or resumes with the next `flush`."""

    code = "reports_pending"

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(f"{count} reports have not reached the service yet.")


class TooManyReports(BotClientError):
    """A full queue: this report was not taken, and no queued one was dropped."""

    code = "too_many_reports"

    def __init__(self, max_reports: int) -> None:
        super().__init__(f"{max_reports} reports are already waiting for the service.")


class OutboxUnusable(BotClientError):
    """The outbox cannot be opened, or cannot take this report; nothing in it was lost or changed.

    `path` is the file, `why` what to tell a person.
    """

    code = "outbox_unusable"

    def __init__(self, path: str, why: str) -> None:
        self.path = path
        self.why = why
        super().__init__(f"The outbox {path} {why}.")


class NotRecordable(BotClientError):
    code = "not_recordable"


class NotReserved(BotClientError):
    """A position that is already open, closed or expired, usually because its id was used before.

    `status` is the position's. Do not send the order.
    """

    code = "not_reserved"

    def __init__(self, position_id: str, status: str) -> None:
        self.position_id = position_id
        self.status = status
        super().__init__(f"Position {position_id} is {status}: no order may be sent for it.")


class SizeUnknown(BotClientError):
    """A quantity whose worth is not known; `reason` says what is missing.

    `no_key`, `other_key` (than the position's), `symbol_not_enabled`, `contract_type_unknown` (as
    of a quanto contract), `contract_size_unknown`, `contract_changed` (since the position was
    opened), `price_unknown` or `lot_size_unknown`.
    """

    code = "size_unknown"

    def __init__(self, symbol: str, reason: str) -> None:
        self.symbol = symbol
        self.reason = reason
        super().__init__(f"What a quantity of {symbol} is worth is not known: {reason}.")


class CcxtMissing(BotClientError):
    code = "ccxt_missing"

    def __init__(self) -> None:
        super().__init__("ccxt is not installed here: pip install ccxt")


class CcxtUnsupported(BotClientError):
    """A key that no client of ccxt can use; the text says what to do instead."""

    code = "ccxt_unsupported"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refused record: its `kind` (trades, …), the bot's own `id`, the service's `code`."""

    kind: str
    id: str
    code: str


class ReportsRefused(BotClientError):
    """Records refused for good: the last 100 at most. Each was logged; none is sent again."""

    code = "reports_refused"

    def __init__(self, refusals: tuple[Refusal, ...]) -> None:
        self.refusals = refusals
        first = ", ".join(f"{each.kind} {each.id}: {each.code}" for each in refusals[:3])
        super().__init__(f"The service refused {len(refusals)} records ({first}).")


class Refused(BotClientError):
    """A problem document from the service; `detail` is a sentence that is safe to show."""

    matches: ClassVar[frozenset[int | str]] = frozenset()

    def __init__(
        self, *, status: int, code: str, detail: str, request_id: str, retry_after: float | None
    ) -> None:
        self.status = status
        self.code = code
        self.detail = detail
        self.request_id = request_id
        self.retry_after = retry_after
        super().__init__(f"{status} {code}: {detail}")


class NotAuthenticated(Refused):
    matches = frozenset({401})


class Forbidden(Refused):
    matches = frozenset({403})


class NoKey(Refused):
    matches = frozenset({"no_key"})


class KeyInactive(Refused):
    matches = frozenset({"key_inactive"})


class MayNotOpen(Refused):
    """No new position: all `reasons` in the service's order, the first of them as `code`."""

    def __init__(
        self,
        *,
        status: int,
        code: str,
        detail: str,
        request_id: str,
        retry_after: float | None,
        reasons: tuple[str, ...],
    ) -> None:
        self.reasons = reasons
        super().__init__(
            status=status,
            code=code,
            detail=detail,
            request_id=request_id,
            retry_after=retry_after,
        )


class RateLimited(Refused):
    """Too many requests; `retry_after` in seconds, or `None` if the service gave no time."""

    matches = frozenset({429})


class ServiceUnavailable(Refused):
    """An outage; `retry_after` in seconds, or `None` if the service gave no time."""

    matches = frozenset({503})


def refused_class(status: int, code: str) -> type[Refused]:
    """Return the class for an answer; its code takes precedence over its status."""
    for key in (code, status):
        for child in Refused.__subclasses__():
            if key in child.matches:
                return child
    return Refused


def is_final(error: BotClientError) -> bool:
    """Return whether sending the same report again can never succeed."""
    return (
        isinstance(error, Refused) and error.status < _SERVER_FAULT and error.status not in _LATER
    )

"""What can go wrong between a bot and its credentials. No message holds a secret.

BotClientError           with `code`
├── InsecureAddress      insecure_address: http:// to a host that is not this machine
├── MalformedToken       malformed_token: not a bot's token, or one with a typing error
├── Unreachable          unreachable: no answer
├── MalformedAnswer      malformed_answer: an answer that this client does not understand
├── WrongKey             wrong_key: for another account, bot, key, exchange or environment
├── OlderVersion         older_version: a version that was replaced before
├── CannotOpen           cannot_open: altered on the way, or sealed to someone else
├── Forgotten            forgotten: dropped before this use
├── ReportsPending       reports_pending: not all reports are with the service yet, with `count`
├── TooManyReports       too_many_reports: more reports wait than memory is set aside for
├── NotRecordable        not_recordable: no JSON, or too long
├── NotReserved          not_reserved: an answer that is no permission to send an order
├── ReportsRefused       reports_refused: records that the service will never take, `refusals`
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
    """`code` is for programs; the text is for people."""

    code: str = "client_error"


class InsecureAddress(BotClientError):
    code = "insecure_address"


class MalformedToken(BotClientError):
    code = "malformed_token"

    def __init__(self) -> None:
        super().__init__("This is not a bot's token (bkb_ and 92 characters). Copy it anew.")


class Unreachable(BotClientError):
    """`retryable`: whether the same call may succeed later."""

    code = "unreachable"

    def __init__(self, cause: str, *, retryable: bool) -> None:
        self.retryable = retryable
        super().__init__(f"The service gave no answer: {cause}.")


class MalformedAnswer(BotClientError):
    code = "malformed_answer"


class WrongKey(BotClientError):
    """`field` is what differs; `expected` and `received` are ids or names, never secrets."""

    code = "wrong_key"

    def __init__(self, field: str, *, expected: str, received: str) -> None:
        self.field = field
        self.expected = expected
        self.received = received
        super().__init__(f"The answer is for {field} {received}; this bot expects {expected}.")


class OlderVersion(BotClientError):
    code = "older_version"

    def __init__(self, *, seen: int, received: int) -> None:
        self.seen = seen
        self.received = received
        super().__init__(
            f"The service offers version {received} of the credentials, after version {seen}."
        )


class CannotOpen(BotClientError):
    code = "cannot_open"

    def __init__(self) -> None:
        super().__init__("The credentials do not open: altered on the way, or not for this bot.")


class Forgotten(BotClientError):
    code = "forgotten"

    def __init__(self) -> None:
        super().__init__("These credentials were dropped. Fetch them again.")


class ReportsPending(BotClientError):
    """They are not lost: delivery goes on, or begins with the next `flush`."""

    code = "reports_pending"

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(f"{count} reports are not with the service yet.")


class TooManyReports(BotClientError):
    """Nothing that waited was dropped; the report at hand was not taken."""

    code = "too_many_reports"

    def __init__(self, most: int) -> None:
        super().__init__(f"{most} reports wait for the service already.")


class NotRecordable(BotClientError):
    code = "not_recordable"


class NotReserved(BotClientError):
    """An opening was answered with a position that is open, closed or past its time: of an id that
    was used before, mostly. `status` is the position's. Do not send the order.
    """

    code = "not_reserved"

    def __init__(self, position_id: str, status: str) -> None:
        self.position_id = position_id
        self.status = status
        super().__init__(f"Position {position_id} is {status}, which permits no order.")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Of one record: its `kind` (trades, …), the bot's own `id`, the service's `code`."""

    kind: str
    id: str
    code: str


class ReportsRefused(BotClientError):
    """`refusals`: the last 100 at most. Each was logged, and none is sent again."""

    code = "reports_refused"

    def __init__(self, refusals: tuple[Refusal, ...]) -> None:
        self.refusals = refusals
        told = ", ".join(f"{each.kind} {each.id}: {each.code}" for each in refusals[:3])
        super().__init__(f"The service refused {len(refusals)} records ({told}).")


class Refused(BotClientError):
    """A problem document of the service; `detail` is its sentence, which is safe to show."""

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
    """`reasons`: everything that stands against it, in the service's order; `code` is the first."""

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
    """`retry_after` is in seconds; `None` if the service did not say."""

    matches = frozenset({429})


class ServiceUnavailable(Refused):
    """`retry_after` is in seconds; `None` if the service did not say."""

    matches = frozenset({503})


def refused_class(status: int, code: str) -> type[Refused]:
    """The class for an answer, by its code first."""
    for key in (code, status):
        for child in Refused.__subclasses__():
            if key in child.matches:
                return child
    return Refused


def is_final(error: BotClientError) -> bool:
    """Whether the same report will be refused for ever."""
    return (
        isinstance(error, Refused) and error.status < _SERVER_FAULT and error.status not in _LATER
    )

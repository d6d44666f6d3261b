"""Failures on request: what an exchange does on a bad day."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from app.simulator import ids as names


class FaultKind(StrEnum):
    """The kinds of faults.

    `REFUSED` is an answer with any code, `FIREWALL` a page of somebody before the exchange.
    `CUT` sends nothing at all, `CUT_BODY` half of what it announced, `TRUNCATED` half a JSON text
    in an otherwise correct response. `UNKNOWN_WORDS` writes a word that no client has seen into the
    enumerated fields of every second row, starting with the first.
    """

    RATE_LIMITED = "rate_limited"
    BANNED = "banned"
    SERVER_ERROR = "server_error"
    REFUSED = "refused"
    FIREWALL = "firewall"
    SLOW = "slow"
    CUT = "cut"
    CUT_BODY = "cut_body"
    HTML = "html"
    TRUNCATED = "truncated"
    UNKNOWN_WORDS = "unknown_words"
    EMPTY_LIST = "empty_list"


_STATUS = {FaultKind.REFUSED: 400, FaultKind.FIREWALL: 403}


@dataclass(slots=True)
class Fault:
    """A fault. `left` counts the calls still to fail, None until cleared. Times are in seconds."""

    exchange: str
    environment: str
    kind: FaultKind
    path: str
    left: int | None
    status: int
    seconds: float
    retry_after: int | None
    code: str
    message: str

    def concerns(self, exchange: str, environment: str, path: str) -> bool:
        return (
            self.exchange == exchange
            and self.environment == environment
            and path.startswith(self.path)
        )


class Faults:
    """The active faults. If several match a call, the one set first applies, so that they
    can be queued: twice 429, then once 503.
    """

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def set(
        self,
        exchange: str,
        environment: str,
        kind: FaultKind | str,
        *,
        times: int | None = None,
        path: str = "",
        status: int | None = None,
        seconds: float = 10.0,
        retry_after: int | None = None,
        code: str = "99999",
        message: str = "",
    ) -> Fault:
        """Make calls whose path starts with `path` fail, the next `times` of them or until cleared.

        `status` belongs to `SERVER_ERROR` (503), `FIREWALL` (403) and `REFUSED` (400), `code` and
        `message` to `REFUSED`, `seconds` to `SLOW`; `retry_after` to `RATE_LIMITED` and `BANNED`,
        where `None` means the exchange's usual behaviour.
        """
        names.check(exchange, environment)
        if times is not None and times < 1:
            raise ValueError("a fault applies to one call at least")
        kind = FaultKind(kind)
        fault = Fault(
            exchange=exchange,
            environment=environment,
            kind=kind,
            path=path,
            left=times,
            status=_STATUS.get(kind, 503) if status is None else status,
            seconds=seconds,
            retry_after=retry_after,
            code=code,
            message=message,
        )
        self._faults.append(fault)
        return fault

    def clear(self, exchange: str | None = None, environment: str | None = None) -> None:
        """Clear the faults of one exchange or environment, or all."""
        self._faults = [
            fault
            for fault in self._faults
            if exchange not in (None, fault.exchange)
            or environment not in (None, fault.environment)
        ]

    def active(self) -> tuple[Fault, ...]:
        """Return the faults in the order in which they apply."""
        return tuple(self._faults)

    def take(self, exchange: str, environment: str, path: str) -> Fault | None:
        """Return the fault for this call, if any, and use it up once."""
        for fault in self._faults:
            if fault.concerns(exchange, environment, path):
                if fault.left is not None:
                    fault.left -= 1
                    if fault.left == 0:
                        self._faults.remove(fault)
                return fault
        return None


UNKNOWN_WORD = "NEVER_SEEN_BEFORE"


def with_unknown_words(payload: object, enum_fields: Iterable[str]) -> object:
    """Return a copy in which every second row has a word that no client knows."""
    fields = frozenset(enum_fields)

    def spoil(value: object) -> object:
        if isinstance(value, dict):
            return {
                name: UNKNOWN_WORD if name in fields and isinstance(content, str) else content
                for name, content in value.items()
            }
        return value

    def walk(value: object) -> object:
        if isinstance(value, list):
            return [spoil(row) if at % 2 == 0 else row for at, row in enumerate(value)]
        if isinstance(value, dict):
            return {name: walk(content) for name, content in value.items()}
        return value

    return walk(payload)


def with_empty_lists(payload: object) -> object:
    """Return a copy in which all lists are empty."""
    if isinstance(payload, list):
        return []
    if isinstance(payload, dict):
        return {name: with_empty_lists(content) for name, content in payload.items()}
    return payload

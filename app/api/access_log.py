"""One log line per request, at a tenth of the cost of any other event's line.

A process answers thousands of requests a second, and all members of such a line are known in
advance. The line still goes through the standard library's logging, so that its levels and handlers
apply.
"""

import logging
import time
from datetime import UTC, datetime

import orjson

from app.kit.logging import Rendered

_NAME = "botkeys.http"
_LOGGER = logging.getLogger(_NAME)


_TOO_MANY_REQUESTS = 429
REFUSALS_PER_SECOND = 20


class _Refusals:
    """How many lines of refusals are due: a flood that is refused must not fill the disk."""

    def __init__(self) -> None:
        self._second = 0
        self._logged = 0
        self.left_out = 0

    def due(self) -> bool:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._logged = second, 0
        self._logged += 1
        if self._logged <= REFUSALS_PER_SECOND:
            return True
        self.left_out += 1
        return False

    def taken(self) -> int:
        """Return how many were left out since the last line."""
        count, self.left_out = self.left_out, 0
        return count


_refusals = _Refusals()


def log_request(method: str, route: str, status: int, seconds: float, ids: dict[str, str]) -> None:
    """Log a request. `route` is a template; an id that came from the caller is masked already.

    Of the requests above a limit (429) at most 20 a second are logged; the next such line says how
    many were `left_out`, and metrics count them all.
    """
    if not _LOGGER.isEnabledFor(logging.INFO):
        return
    above_limit = status == _TOO_MANY_REQUESTS
    if above_limit and not _refusals.due():
        return
    line: dict[str, object] = {
        "method": method,
        "route": route,
        "status": status,
        "ms": round(seconds * 1000, 2),
        "event": "request",
        **ids,
        "logger": _NAME,
        "level": "info",
        "at": datetime.now(UTC),
    }
    if above_limit and (left_out := _refusals.taken()):
        line["left_out"] = left_out
    _LOGGER.handle(Rendered(_NAME, orjson.dumps(line, option=orjson.OPT_UTC_Z).decode()))


def log_unread_request(status: int, code: str, ids: dict[str, str]) -> None:
    """Log a request that was refused before it was read whole, under the bound of refusals."""
    if not _LOGGER.isEnabledFor(logging.INFO) or not _refusals.due():
        return
    line: dict[str, object] = {
        "status": status,
        "code": code,
        "event": "request_not_read",
        **ids,
        "logger": _NAME,
        "level": "info",
        "at": datetime.now(UTC),
    }
    if left_out := _refusals.taken():
        line["left_out"] = left_out
    _LOGGER.handle(Rendered(_NAME, orjson.dumps(line, option=orjson.OPT_UTC_Z).decode()))

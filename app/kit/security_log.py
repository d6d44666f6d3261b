"""A log for those who watch for attacks: refused tokens, and forwarding headers from strangers.

What is alike is counted for a minute after its first line, so that a flood does not fill the disk.
"""

import time
from collections.abc import Callable
from typing import Any

import structlog

_SECONDS = 60.0
_KINDS = 1_000
log = structlog.get_logger("botkeys.security")


class SecurityLog:
    """The log of one process. It never receives a token."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self._repeated: dict[tuple[str, tuple[tuple[str, Any], ...]], int] = {}

    def warn(self, event: str, **members: Any) -> None:
        """Log an event, or count it if the same was logged within a minute.

        Beyond a thousand different ones a minute, those of one event are counted together.
        """
        if self._clock() - self._since >= _SECONDS:
            self._report()
        kind = (event, tuple(members.items()))
        if kind not in self._repeated and len(self._repeated) >= _KINDS:
            kind = (event, (("others", True),))
        if kind in self._repeated:
            self._repeated[kind] += 1
        else:
            self._repeated[kind] = 0
            log.warning(event, **dict(kind[1]))

    def _report(self) -> None:
        self._since = self._clock()
        repeated, self._repeated = self._repeated, {}
        for (event, members), count in repeated.items():
            if count:
                log.warning(event, **dict(members), repeated=count)

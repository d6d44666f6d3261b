"""What is traced, without what records it: `app.kit.span_recorder`, which needs an extra.

No span has a query string, a header, a body, a value of a statement or an exception's text.
"""

from contextlib import AbstractContextManager
from typing import Protocol

from botkeys.transport.client import Attempt


class RequestSpan(Protocol):
    """The span of a request that is being answered; `trace_id` is `None` if it is not recorded."""

    @property
    def trace_id(self) -> str | None: ...

    def answered(self, method: str, route: str, status: int, code: str | None) -> None:
        """Record the answer. `route` is a template, `code` that of a problem."""


class TurnSpan(Protocol):
    """The span of a task's turn."""

    def ended(self, *, units: int = 0, failure: str | None = None) -> None:
        """Record how it ended; `failure` is the name of an exception's class."""


class Traces(Protocol):
    """Where spans go. A process without traces has none of this, and pays nothing for it."""

    def request(
        self, scheme: str, request_id: str, parent: str | None
    ) -> AbstractContextManager[RequestSpan]:
        """Trace a request. `parent` is the header `traceparent`, which is linked, not believed."""

    def turn(self, task: str) -> AbstractContextManager[TurnSpan]:
        """Trace a turn of one of the worker's tasks."""

    def call(self, attempt: Attempt) -> None:
        """Record an attempt to call an issuer or exchange that has just ended."""

    def statement(
        self, text: str, seconds: float, failure: str | None = None, sqlstate: str | None = None
    ) -> None:
        """Record a statement that has just ended. `text` has placeholders for values."""

"""Traces as OpenTelemetry spans, with the names of its semantic conventions.

https://opentelemetry.io/docs/specs/semconv/. Imported only where traces are switched on.
"""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache

from opentelemetry.propagators.textmap import DefaultGetter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, Span, SpanKind, StatusCode, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from botkeys.transport.client import Attempt

Place = tuple[str, str]
"""An exchange and its environment."""

_SERVER_FAULT = 500
_NANOSECONDS = 1_000_000_000
_LONGEST_STATEMENT = 2_000
_TRACEPARENT = "traceparent"
_LITERAL = re.compile(
    r"""
    (?P<name>"(?:[^"]|"")*"|\$[0-9]+|\b[A-Za-z_]\w*)                   # names, and placeholders
    |(?P<text>'(?:[^']|'')*'|(?P<quote>\$[A-Za-z_]*\$).*?(?P=quote))   # texts
    |(?P<number>\b[0-9]+(?:\.[0-9]+)?\b)
    """,
    re.VERBOSE | re.DOTALL,
)
_parents = TraceContextTextMapPropagator()
_GETTER = DefaultGetter()


class SpanRecorder:
    """Records spans with the tracers of one provider.

    `places` tells exchanges' calls from the issuer's, by host and port. A caller's `traceparent`
    becomes a link: it decides neither what is sampled nor which trace a span belongs to.
    """

    def __init__(
        self, provider: TracerProvider, version: str, places: Mapping[str, Place] | None = None
    ) -> None:
        self._tracer = provider.get_tracer("botkeys", version)
        self.places: Mapping[str, Place] = places or {}

    @contextmanager
    def request(self, scheme: str, request_id: str, parent: str | None) -> Iterator["_Request"]:
        attributes = {"url.scheme": scheme, "botkeys.request_id": request_id}
        with self._tracer.start_as_current_span(
            "HTTP",
            kind=SpanKind.SERVER,
            attributes=attributes,
            links=_links(parent),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield _Request(span)

    @contextmanager
    def turn(self, task: str) -> Iterator["_Turn"]:
        with self._tracer.start_as_current_span(
            f"worker {task}",
            attributes={"botkeys.task": task},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield _Turn(span)

    def call(self, attempt: Attempt) -> None:
        host, _, port = attempt.host.rpartition(":")
        if not host or not port.isdecimal():
            host, port = attempt.host, ""
        attributes: dict[str, AttributeValue] = {
            "http.request.method": attempt.method,
            "server.address": host,
            "url.path": attempt.path,
        }
        if port:
            attributes["server.port"] = int(port)
        if attempt.status is not None:
            attributes["http.response.status_code"] = attempt.status
        exchange, environment = self.places.get(attempt.host, (None, None))
        if exchange is not None and environment is not None:
            attributes["botkeys.exchange"] = exchange
            attributes["botkeys.environment"] = environment
        failure = attempt.failure
        if failure is None and attempt.status is not None and attempt.status >= 400:
            failure = str(attempt.status)
        self._past(f"{attempt.method} {attempt.path}", attempt.seconds, attributes, failure)

    def statement(
        self, text: str, seconds: float, failure: str | None = None, sqlstate: str | None = None
    ) -> None:
        operation, shown = without_values(text)
        attributes: dict[str, AttributeValue] = {
            "db.system.name": "postgresql",
            "db.operation.name": operation,
            "db.query.text": shown,
        }
        if sqlstate is not None:
            attributes["db.response.status_code"] = sqlstate
        self._past(operation, seconds, attributes, failure)

    def _past(
        self,
        name: str,
        seconds: float,
        attributes: dict[str, AttributeValue],
        failure: str | None,
    ) -> None:
        """Record a span that has just ended, below the one that is current."""
        end = time.time_ns()
        if failure is not None:
            attributes["error.type"] = failure
        span = self._tracer.start_span(
            name,
            kind=SpanKind.CLIENT,
            attributes=attributes,
            start_time=end - int(seconds * _NANOSECONDS),
        )
        if failure is not None:
            span.set_status(StatusCode.ERROR)
        span.end(end)


class _Request:
    def __init__(self, span: Span) -> None:
        self._span = span

    @property
    def trace_id(self) -> str | None:
        return f"{self._span.get_span_context().trace_id:032x}" if self._is_recorded() else None

    def answered(self, method: str, route: str, status: int, code: str | None) -> None:
        span = self._span
        span.update_name(f"{method} {route}")
        span.set_attributes({"http.request.method": method, "http.route": route})
        if status:
            span.set_attribute("http.response.status_code", status)
        if code is not None:
            span.set_attribute("botkeys.problem", code)
        if status >= _SERVER_FAULT or not status:
            span.set_attribute("error.type", code or (str(status) if status else "cancelled"))
            span.set_status(StatusCode.ERROR)

    def _is_recorded(self) -> bool:
        return self._span.is_recording()


class _Turn:
    def __init__(self, span: Span) -> None:
        self._span = span

    def ended(self, *, units: int = 0, failure: str | None = None) -> None:
        self._span.set_attribute("botkeys.units", units)
        if failure is not None:
            self._span.set_attribute("error.type", failure)
            self._span.set_status(StatusCode.ERROR)


def _links(parent: str | None) -> list[Link]:
    if parent is None:
        return []
    context = _parents.extract({_TRACEPARENT: parent}, getter=_GETTER)
    linked = get_current_span(context).get_span_context()
    return [Link(linked)] if linked.is_valid else []


@lru_cache(maxsize=2_048)
def without_values(text: str) -> tuple[str, str]:
    """Return a statement's first word, and its text with `?` for every literal.

    Statements of ours have placeholders for values; constants of ours go with the rest.
    """
    shown = _LITERAL.sub(lambda found: found["name"] or "?", text)
    shown = " ".join(shown.split())
    operation = shown.partition(" ")[0].strip("(;").upper()
    return operation, shown[:_LONGEST_STATEMENT]

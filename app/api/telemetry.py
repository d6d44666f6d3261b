"""Request ids, access logs and metrics around every request, and the last exception handler."""

import re
import time
import traceback

import structlog
from fastapi import Request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.access_log import log_request
from app.api.problems import from_exception, problem_response
from app.db.base import new_id_text
from app.kit.logging import REQUEST_IDS, masked_text

_REQUEST_ID = re.compile(r"[A-Za-z0-9._\-]{1,64}")
_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
log = structlog.get_logger("botkeys.http")


class RequestMetrics:
    """The metrics of requests, in a registry of its own: two apps share no counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Histogram(
            "botkeys_http_request_seconds",
            "Duration of a request",
            ["method", "route", "status"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._by_answer: dict[tuple[str, str, int], Histogram] = {}

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Record a response. `route` is a template: the few combinations are looked up fast."""
        answer = (method, route, status)
        histogram = self._by_answer.get(answer)
        if histogram is None:
            histogram = self.requests.labels(method, route, str(status))
            self._by_answer[answer] = histogram
        histogram.observe(seconds)


class Metrics(RequestMetrics):
    """The metrics of a process that serves the API."""

    def __init__(self) -> None:
        super().__init__()
        self.refusals = Counter(
            "botkeys_refusals_total", "Requests refused, by code", ["code"], registry=self.registry
        )
        self.rate_limited = Counter(
            "botkeys_rate_limited_total",
            "Requests above a limit, by the limit: account, bot, address or key-checks",
            ["limit"],
            registry=self.registry,
        )
        self.key_checks = Counter(
            "botkeys_key_checks_total",
            "Credential checks with exchanges, by outcome",
            ["exchange", "outcome"],
            registry=self.registry,
        )
        self.releases = Counter(
            "botkeys_releases_total", "Releases of credentials to bots", registry=self.registry
        )
        self.dear_reads = Counter(
            "botkeys_dear_reads_total",
            "Analytics and counts where a standby is named, by who answers: replica or primary",
            ["server"],
            registry=self.registry,
        )
        self.heartbeat_batches = Histogram(
            "botkeys_heartbeat_batch_size",
            "Heartbeats written per statement; the sum is the number of heartbeats",
            buckets=(1, 3, 10, 30, 100, 300, 1000),
            registry=self.registry,
        )
        self.streams = Gauge("botkeys_streams", "Open streams of bots", registry=self.registry)
        self.event_streams = Gauge(
            "botkeys_event_streams", "Open streams of accounts' events", registry=self.registry
        )


def _frames(error: BaseException) -> list[str]:
    """Return where the error happened, without its message: a library's text may quote a value."""
    return [
        f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)[-12:]
    ]


def route_of(scope: Scope) -> str:
    """Return the template of the route, so that ids do not become label values."""
    return getattr(scope.get("route"), "path_format", None) or "unmatched"


def method_of(scope: Scope) -> str:
    """Return a method that the route has, so that no caller invents label values."""
    method: str = scope["method"]
    return method if method in (getattr(scope.get("route"), "methods", None) or ()) else "other"


class TelemetryMiddleware:
    """The outermost middleware but for CORS: it assigns request ids and turns exceptions into
    problems.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        # A span outside of this one has it already.
        own_id = state.get("own_request_id") or new_id_text()
        client_id = self._client_id(scope)
        request_id = client_id or own_id
        ids = {"request_id": own_id}
        if client_id is not None:
            ids["client_request_id"] = masked_text(client_id)
        trace_id = state.get("trace_id")
        if trace_id is not None:
            ids["trace_id"] = trace_id
        # The caller sees its own id again; logs and the audit log have ours, which nobody chooses.
        state["request_id"], state["own_request_id"] = request_id, own_id
        state["client_request_id"] = client_id
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message.get("headers", ()))
                names = [name for name, _ in headers]
                headers.append((b"x-request-id", request_id.encode("ascii")))
                headers.append((b"x-content-type-options", b"nosniff"))
                if b"cache-control" not in names:
                    headers.append((b"cache-control", b"no-store"))
                message["headers"] = headers
            await send(message)

        started = time.perf_counter()
        before = REQUEST_IDS.set(ids)
        try:
            await self.app(scope, receive, send_with_id)
        except Exception as error:  # noqa: BLE001  # the last handler: nothing may pass it
            await self._answer_failure(error, scope, receive, send_with_id, status)
        finally:
            self._finish(scope, status, time.perf_counter() - started, ids)
            REQUEST_IDS.reset(before)

    @staticmethod
    def _client_id(scope: Scope) -> str | None:
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                text = value.decode("latin-1")
                if _REQUEST_ID.fullmatch(text):
                    return str(text)
        return None

    async def _answer_failure(
        self, error: Exception, scope: Scope, receive: Receive, send: Send, status: int
    ) -> None:
        known = from_exception(error)
        log.error(
            "request_failed",
            code=known.code,
            exception=type(error).__name__,
            frames=_frames(error),
        )
        if status == 0:
            response = problem_response(known, Request(scope, receive))
            await response(scope, receive, send)

    def _finish(self, scope: Scope, status: int, seconds: float, ids: dict[str, str]) -> None:
        method, route = method_of(scope), route_of(scope)
        metrics: RequestMetrics = scope["app"].state.metrics
        metrics.answered(method, route, status, seconds)
        log_request(method, route, status, seconds, ids)

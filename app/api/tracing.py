"""A span around every request, in processes that trace."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.telemetry import method_of, route_of
from app.db.base import new_id_text
from app.kit.tracing import Traces

_PROBES = frozenset({"/livez", "/readyz", "/metrics"})


class TracingMiddleware:
    """Outside of what assigns request ids: it chooses the id, so that the span has it as well."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        traces: Traces | None = None
        if scope["type"] == "http" and scope["path"] not in _PROBES:
            traces = getattr(scope["app"].state, "traces", None)
        if traces is None:
            await self.app(scope, receive, send)
            return
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        state = scope.setdefault("state", {})
        state["own_request_id"] = request_id = new_id_text()
        with traces.request(scope["scheme"], request_id, _parent(scope)) as span:
            state["trace_id"] = span.trace_id
            try:
                await self.app(scope, receive, noting)
            finally:
                code: str | None = state.get("problem_code")
                span.answered(method_of(scope), route_of(scope), status, code)


def _parent(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"traceparent":
            return str(value.decode("latin-1"))
    return None

"""Traces say what a process did, and nothing that anybody sent (rule R95)."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

import pytest
import pytest_asyncio
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.db.tracing import trace_statements
from app.kit.span_recorder import SpanRecorder, without_values
from app.main import create_app, use_context
from app.process.tracing import name_exchanges, open_traces
from app.settings import Mode, Settings
from app.worker.loop import Task, work
from botkeys.exchanges.registry import Exchanges, simulated_hosts
from botkeys.transport.client import HttpTransport
from tests.security.test_takeover import release
from tests.support.leaks import all_logged
from tests.support.world import World, served

PLANTED = "PLANTED7zq"


@dataclass
class Traced:
    world: World
    recorder: SpanRecorder
    exporter: InMemorySpanExporter

    def spans(self, kind: SpanKind | None = None) -> Sequence[ReadableSpan]:
        found = self.exporter.get_finished_spans()
        return [span for span in found if kind is None or span.kind is kind]

    def named(self, name: str) -> ReadableSpan:
        (span,) = (span for span in self.spans() if span.name == name)
        return span

    def below(self, parent: ReadableSpan) -> list[ReadableSpan]:
        assert parent.context is not None
        return [
            span
            for span in self.spans()
            if span.parent is not None and span.parent.span_id == parent.context.span_id
        ]


def of(span: ReadableSpan, name: str) -> object:
    return (span.attributes or {}).get(name)


@pytest_asyncio.fixture
async def traced(busy_world: World) -> AsyncIterator[Traced]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    recorder = SpanRecorder(provider, "1")
    settings = busy_world.context.settings.model_copy(update={"traces": True})
    hosts = simulated_hosts(busy_world.simulator.hosts)
    async with HttpTransport(observe=recorder.call) as transport:
        exchanges = Exchanges(transport, hosts=hosts)
        context = replace(
            busy_world.context, settings=settings, exchanges=exchanges, traces=recorder
        )
        await context.database.engine.dispose()  # connections from before are not traced
        trace_statements(context.database.engine, recorder)
        name_exchanges(recorder, exchanges)
        app = create_app(settings, context.role)
        use_context(app, context)
        async with served(app) as http:
            yield Traced(
                replace(busy_world, app=app, context=context, http=http), recorder, exporter
            )


async def test_no_span_holds_what_was_sent(traced: Traced) -> None:
    world = traced.world
    user = world.user(f"account-{PLANTED}")
    given = world.new_key(label=f"label {PLANTED}")
    bot, _, _ = await user.ready_bot(label=f"label {PLANTED}")
    await user.post("/v1/keys", given)  # a duplicate
    refused = {**given, "api_secret": PLANTED * 4, "api_passphrase": PLANTED}
    await user.post("/v1/keys", refused)
    await user.post("/v1/keys", {**given, "exchange": PLANTED, PLANTED: PLANTED})
    await user.get(f"/v1/keys?{PLANTED}={PLANTED}")
    await user.get(f"/v1/keys?status={PLANTED}&cursor={PLANTED}")
    await user.get(f"/v1/{PLANTED}", headers={"X-Request-ID": PLANTED, "User-Agent": PLANTED})
    await user.get("/v1/bots", headers={"traceparent": PLANTED, "tracestate": f"a={PLANTED}"})
    await user.get(f"/v1/instruments?exchange=okx&search={PLANTED}")
    answer, _ = await release(bot)
    assert answer.status_code == 200
    await bot.get("/v1/runtime/config")
    await bot.post("/v1/runtime/heartbeat", {"state": PLANTED})
    await bot.post("/v1/runtime/events", {"events": [{"id": PLANTED, "message": PLANTED}]})
    await world.http.get("/v1/keys", headers={"Authorization": f"Bearer {PLANTED}"})
    with pytest.raises(DBAPIError):
        async with world.context.database.sessions.begin() as session:
            await session.execute(text("SELECT CAST(:value AS integer)"), {"value": PLANTED})
    with pytest.raises(DBAPIError):
        async with world.context.database.sessions.begin() as session:
            await session.execute(text(f"SELECT '{PLANTED}'::integer, 1 / 0"))
    await asyncio.sleep(0)

    spans = traced.spans()
    assert len(spans) > 60
    secrets = [
        PLANTED,
        bot.token,
        user.token,
        *(str(given[name]) for name in given if "api" in name),
    ]
    shown = json.dumps([json.loads(span.to_json()) for span in spans])
    for secret in secrets:
        assert secret not in shown
    assert {event.name for span in spans for event in span.events} == set()
    assert {span.status.description for span in spans} == {None}
    errors = {of(span, "botkeys.problem") for span in spans} - {None}
    assert {"key_already_added", "not_found", "unauthenticated", "invalid_request"} <= errors


async def test_a_key_s_check_shows_request_statements_and_calls(traced: Traced) -> None:
    with all_logged() as logs:
        await traced.world.user().add_key()
    await asyncio.sleep(0)
    request = traced.named("POST /v1/keys")
    assert request.kind is SpanKind.SERVER
    assert of(request, "http.route") == "/v1/keys"
    assert of(request, "http.response.status_code") == 201
    below = traced.below(request)
    calls = [span for span in below if of(span, "botkeys.exchange")]
    assert {(of(span, "botkeys.exchange"), of(span, "botkeys.environment")) for span in calls} == {
        ("okx", "testnet")
    }
    assert all(str(of(span, "url.path")).startswith("/api/v5/") for span in calls)
    statements = [span for span in below if of(span, "db.system.name") == "postgresql"]
    inserted = [span for span in statements if "INSERT INTO keys" in str(of(span, "db.query.text"))]
    assert inserted
    assert "$1" in str(of(inserted[0], "db.query.text"))
    assert {"BEGIN", "COMMIT"} <= {span.name for span in statements}
    assert request.start_time is not None
    assert all((span.start_time or 0) >= request.start_time for span in below)
    assert request.context is not None
    lines = [line for line in "\n".join(logs.places().values()).splitlines() if '"request"' in line]
    assert f'"trace_id":"{request.context.trace_id:032x}"' in lines[-1]
    assert f'"request_id":"{of(request, "botkeys.request_id")}"' in lines[-1]


async def test_hot_routes_are_traced_on_their_own_way(traced: Traced) -> None:
    bot, _, _ = await traced.world.user().ready_bot()
    traced.exporter.clear()
    assert (await release(bot))[0].status_code == 200
    await asyncio.sleep(0)
    (request,) = traced.spans(SpanKind.SERVER)
    statements = {span.name for span in traced.below(request)}
    assert {"SELECT", "WITH"} <= statements
    traced.exporter.clear()
    closed = {"symbol": "BTC-USDT-SWAP", "side": "long", "status": "closed", "quantity": "0"}
    assert (await bot.put("/v1/runtime/positions/one", closed)).status_code == 200
    await asyncio.sleep(0)
    (request,) = traced.spans(SpanKind.SERVER)
    assert {"BEGIN", "COMMIT"} <= {span.name for span in traced.below(request)}


async def test_a_caller_s_trace_is_linked_and_not_obeyed(traced: Traced) -> None:
    trace_id, span_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    user = traced.world.user()
    await user.get("/v1/bots", headers={"traceparent": f"00-{trace_id}-{span_id}-00"})
    request = traced.named("GET /v1/bots")
    assert request.parent is None
    assert request.context is not None
    assert f"{request.context.trace_id:032x}" != trace_id
    (link,) = request.links
    assert (f"{link.context.trace_id:032x}", f"{link.context.span_id:016x}") == (trace_id, span_id)


async def test_a_failed_statement_has_its_code_and_probes_leave_no_span(traced: Traced) -> None:
    for path in ("/livez", "/readyz", "/metrics"):
        await traced.world.http.get(path)
    assert traced.spans(SpanKind.SERVER) == []
    traced.exporter.clear()
    with pytest.raises(DBAPIError):
        async with traced.world.context.database.sessions.begin() as session:
            await session.execute(text("SELECT 1 / 0"))
    await asyncio.sleep(0)
    failed = traced.named("SELECT")
    assert of(failed, "db.response.status_code") == "22012"
    assert of(failed, "error.type") == "DivisionByZeroError"
    assert of(failed, "db.query.text") == "SELECT ? / ?"
    assert failed.status.status_code is StatusCode.ERROR


async def test_a_turn_of_the_worker_is_a_span_with_its_statements(traced: Traced) -> None:
    stop = asyncio.Event()

    async def turn() -> int:
        async with traced.world.context.database.sessions.begin() as session:
            await session.execute(text("SELECT 1"))
        stop.set()
        return 3

    await work([Task("sweep", 0.01, turn)], stop, traces=traced.recorder)
    await asyncio.sleep(0)
    span = traced.named("worker sweep")
    assert of(span, "botkeys.units") == 3
    assert "SELECT" in {each.name for each in traced.below(span)}


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("SELECT a FROM b WHERE c = $1::UUID", "SELECT a FROM b WHERE c = $1::UUID"),
        ("select 'it''s', 12, 1.5 FROM x1", "select ?, ?, ? FROM x1"),
        ("SELECT $x$secret 'a$x$, $$b$$, \"na'me\"", 'SELECT ?, ?, "na\'me"'),
        ("SELECT\n  a\n", "SELECT a"),
    ],
)
def test_literals_of_a_statement_are_left_out(statement: str, shown: str) -> None:
    assert without_values(statement) == ("SELECT", shown)


async def test_nothing_is_traced_unless_it_is_asked_for() -> None:
    async with open_traces(Settings(mode=Mode.DEVELOPMENT), "botkeys-api") as traces:
        assert traces is None


async def test_a_collector_that_is_away_holds_up_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    settings = Settings(mode=Mode.DEVELOPMENT, traces=True)
    async with asyncio.timeout(10), open_traces(settings, "botkeys-api") as traces:
        assert traces is not None
        with traces.turn("sweep") as span:
            span.ended(units=1)

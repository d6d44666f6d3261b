"""Opens the traces of a process: OpenTelemetry's own variables name where they go."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog

from app.settings import Settings, SettingsError
from botkeys.exchanges.registry import Exchanges

if TYPE_CHECKING:
    from app.kit.span_recorder import SpanRecorder

_NAME = "OTEL_SERVICE_NAME"
_LAST_SECONDS = 5.0
"""How long the last spans may take to leave when the process ends."""

log = structlog.get_logger("botkeys.start")


@asynccontextmanager
async def open_traces(settings: Settings, service: str) -> AsyncIterator["SpanRecorder | None"]:
    """Yield what records spans, `None` unless BOTKEYS_TRACES is set. Raises `SettingsError`."""
    if not settings.traces:
        yield None
        return
    try:
        # Imported here: without traces a process has none of this in memory.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        from app.kit.span_recorder import SpanRecorder  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"BOTKEYS_TRACES needs {error.name}: pip install 'botkeys-server[otel]'."
        ) from None
    release = version("botkeys-server")
    named = {"service.name": os.environ.get(_NAME, service), "service.version": release}
    provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    log.info("traces_on", service=named["service.name"])
    try:
        yield SpanRecorder(provider, release)
    finally:
        # In a thread that nobody waits for at the end: a collector that hangs holds nothing up.
        ending = threading.Thread(target=provider.shutdown, name="traces", daemon=True)
        ending.start()
        await asyncio.to_thread(ending.join, _LAST_SECONDS)


def name_exchanges(traces: "SpanRecorder | None", exchanges: Exchanges) -> None:
    """State with each call which exchange and environment it is for."""
    if traces is not None:
        traces.places = {
            urlsplit(address).netloc: (exchange, environment)
            for environment, exchange, address in exchanges.addresses()
        }

"""Statements as spans. What goes past SQLAlchemy is noted by the driver, the rest by SQLAlchemy."""

import time
from typing import Any

from asyncpg.connection import LoggedQuery
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine

from app.kit.tracing import Traces


def trace_statements(engine: AsyncEngine, traces: Traces) -> None:
    """Record every statement that connections of this engine send from now on.

    A listener to `before_cursor_execute` would send the hot statements through SQLAlchemy
    (`app.db.driver`), so there is none. The driver's own log leaves out what SQLAlchemy sends: it
    prepares each statement.
    """

    def sent(query: LoggedQuery) -> None:
        error = query.exception
        traces.statement(
            query.query,
            query.elapsed,
            None if error is None else type(error).__name__,
            getattr(error, "sqlstate", None),
        )

    def connected(adapted: Any, _record: object) -> None:
        adapted.driver_connection.add_query_logger(sent)

    def begins(_cursor: object, _text: str, _values: object, context: Any) -> None:
        context.botkeys_began = time.perf_counter()

    def ended(
        _connection: object, _cursor: object, text: str, _values: object, context: Any, _many: bool
    ) -> None:
        traces.statement(text, time.perf_counter() - context.botkeys_began)

    def failed(found: ExceptionContext) -> None:
        began = getattr(found.execution_context, "botkeys_began", None)
        if began is None or found.statement is None:
            return
        error = found.original_exception
        cause = error.__cause__ or error
        traces.statement(
            found.statement,
            time.perf_counter() - began,
            type(cause).__name__,
            getattr(cause, "sqlstate", None),
        )

    synchronous = engine.sync_engine
    event.listen(synchronous, "connect", connected)
    for kind in ("do_execute", "do_executemany"):
        event.listen(synchronous, kind, begins)
    event.listen(synchronous, "after_cursor_execute", ended)
    event.listen(synchronous, "handle_error", failed)

"""The metrics of a process's database pool, read when somebody asks for them."""

from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import AsyncAdaptedQueuePool


def add_pool_metrics(registry: CollectorRegistry, engine: AsyncEngine | None) -> None:
    """Add the gauges of the engine's pool; without an engine, they only describe themselves."""
    connections = Gauge(
        "botkeys_database_connections",
        "Connections of the pool, by state: in_use or idle",
        ["state"],
        registry=registry,
    )
    most = Gauge(
        "botkeys_database_connections_limit",
        "Connections that the pool opens at most, overflow included",
        registry=registry,
    )
    waiting = Gauge(
        "botkeys_database_waiting",
        "Requests and tasks that wait for a connection of the pool",
        registry=registry,
    )
    pool = None if engine is None else engine.sync_engine.pool
    if not isinstance(pool, AsyncAdaptedQueuePool):
        return
    connections.labels("in_use").set_function(pool.checkedout)
    connections.labels("idle").set_function(pool.checkedin)
    most.set(pool.size() + pool._max_overflow)  # noqa: SLF001  # has no public name
    waiting.set_function(lambda: _waiting(pool))


def _waiting(pool: AsyncAdaptedQueuePool) -> int:
    """Return how many wait in the pool's queue, which is an asyncio.Queue."""
    queue = pool._pool._queue  # type: ignore[attr-defined]  # noqa: SLF001  # has no public name
    return sum(not getter.done() for getter in queue._getters)  # noqa: SLF001

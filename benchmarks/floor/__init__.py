"""The floor: what the same machine does by hand. A bare ASGI function, no framework, no token.

    BENCHMARK_FLOOR='{"database_url": …, "account_id": …}' BOTKEYS_PORT=… python -m benchmarks.floor

The same uvicorn with the service's own options, asyncpg's pool of the same size, the statements
that the service sends, and the members that it answers with.
"""

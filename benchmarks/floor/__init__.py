"""The floor: what the same machine achieves with a bare ASGI function, no framework, no token.

    BENCHMARK_FLOOR='{"database_url": …, "account_id": …}' BOTKEYS_PORT=… python -m benchmarks.floor

It has the same uvicorn with the service's own options, an asyncpg pool of the same size, the
statements that the service sends, and the members that it answers with.
"""

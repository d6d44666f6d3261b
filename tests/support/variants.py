"""The same world with something about it changed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx

from app.db.engine import Database, open_database
from app.domains.bots.config_row_loader import ConfigRowLoader
from app.domains.bots.token_repository import TokenHashLoader
from app.domains.runtime.heartbeat.pace import HeartbeatPace
from app.domains.runtime.heartbeat.writer import HeartbeatWriter
from app.domains.runtime.release.at_once import ReleaseBatches
from botkeys.exchanges.registry import Exchanges, simulated_hosts
from botkeys.transport.client import HttpTransport
from tests.support.database import Server
from tests.support.world import Json, User, World, application, served


async def add_unchecked(user: User, number: int = 1, **changes: Any) -> Json:
    """Add a key that is not checked with an exchange."""
    answer = await user.post("/v1/keys", user.world.unchecked_key(number, **changes))
    assert answer.status_code == 201, answer.text
    document: Json = answer.json()
    return document


@asynccontextmanager
async def changed(
    world: World,
    *,
    settings: dict[str, Any] | None = None,
    address: str | None = None,
    **context: Any,
) -> AsyncIterator[World]:
    """Yield another process over the same database, with other settings or context members.

    With `address`, callers appear to come from there.
    """
    new_settings = world.context.settings.model_copy(update=settings or {})
    if "database" in context:
        lease = timedelta(seconds=new_settings.heartbeat_lease)
        heartbeat_writer = HeartbeatWriter(
            context["database"], world.context.metrics, HeartbeatPace(500, lease)
        )
        context.setdefault("heartbeat_writer", heartbeat_writer)
        context.setdefault("config_rows", ConfigRowLoader(context["database"].autocommit))
        context.setdefault("token_hashes", TokenHashLoader(context["database"].autocommit))
        context.setdefault("release_batches", ReleaseBatches(context["database"].autocommit))
    new_context = replace(world.context, settings=new_settings, **context)
    app = application(new_context)
    async with served(app) as http:
        if address is None:
            yield replace(world, app=app, context=new_context, http=http)
            return
    transport = httpx.ASGITransport(app, client=(address, 40_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://botkeys.test") as elsewhere:
        yield replace(world, app=app, context=new_context, http=elsewhere)


@asynccontextmanager
async def narrow(world: World, server: Server, **pool: Any) -> AsyncIterator[World]:
    """Yield the same database through a pool of one connection."""
    name = world.context.database.engine.url.database
    assert name is not None
    options: dict[str, Any] = {"pool_size": 1, "pool_overflow": 0, "pool_timeout": 30, **pool}
    database: Database = open_database(
        server.url(name), application_name="botkeys-narrow", **options
    )
    try:
        async with changed(world, database=database) as narrowed:
            yield narrowed
    finally:
        await database.close()


@asynccontextmanager
async def apart(world: World) -> AsyncIterator[World]:
    """Yield the same world with its own connections to the exchanges.

    What a transport learns of a failing host (to leave it alone for a while) is then shared with no
    other test.
    """
    hosts = simulated_hosts(world.simulator.hosts)
    async with (
        HttpTransport() as http,
        changed(world, exchanges=Exchanges(http, hosts=hosts)) as alone,
    ):
        yield alone

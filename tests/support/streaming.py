"""The service behind a real socket, and what a bot reads from its stream there."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import uvicorn
from uvicorn.server import ServerState

from app.api.streaming import StreamLimits
from app.domains.runtime.stream.publisher import ConfigPublisher
from app.process.connections import Connections, Timeouts
from app.process.http_protocol import HttpProtocol
from app.process.http_server import uvicorn_options
from tests.support.world import Bot, Json, World, application

SECONDS = 60.0
"""A generous timeout for what takes milliseconds."""


class Stream:
    """One open stream, read event by event."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.version: str | None = None
        self._lines = answer.aiter_lines()

    async def event(self) -> dict[str, str]:
        """Return the next event's fields, a comment under the empty name; none at the
        stream's end.
        """
        fields: dict[str, str] = {}
        async with asyncio.timeout(SECONDS):
            async for line in self._lines:
                if not line:
                    break
                name, _, value = line.partition(": ")
                fields[name.removesuffix(":")] = value
        return fields

    async def config(self) -> Json:
        """Return the next configuration, skipping everything before it."""
        while "data" not in (event := await self.event()):
            assert event, "the stream ended"
        assert event["event"] == "config"
        document: Json = json.loads(event["data"])
        assert document["version"] == event["id"]
        self.version = event["id"]
        return document

    async def ends(self) -> bool:
        """Return whether the stream ends without another configuration."""
        while event := await self.event():
            if "data" in event:
                return False
        return True


class Streaming:
    """A bot's calls to a server behind a socket."""

    def __init__(self, config_publisher: ConfigPublisher, http: httpx.AsyncClient) -> None:
        self.config_publisher = config_publisher
        self.http = http

    @asynccontextmanager
    async def stream(self, bot: Bot, known: str | None = None) -> AsyncIterator[Stream]:
        headers = {"Authorization": f"Bearer {bot.token}"}
        if known is not None:
            headers["Last-Event-ID"] = known
        async with self.http.stream("GET", "/v1/runtime/stream", headers=headers) as answer:
            if answer.status_code != httpx.codes.OK:
                await answer.aread()
            yield Stream(answer)

    async def until_count(self, count: int) -> None:
        async with asyncio.timeout(SECONDS):
            while True:
                if self.config_publisher.count == count:
                    return
                await asyncio.sleep(0.01)


@asynccontextmanager
async def streaming(world: World, limits: StreamLimits) -> AsyncIterator[Streaming]:
    """Yield the calls to another process, which shares only the database with this world."""
    database = world.context.database
    config_publisher = ConfigPublisher(
        database.autocommit, world.context.config_cache, limits, database.engine.url
    )
    options = uvicorn_options(world.context.settings)
    config = uvicorn.Config(
        application(replace(world.context, config_publisher=config_publisher)), **options
    )
    config.load()
    state = ServerState()
    connections = Connections(Timeouts(), most=1_000, most_per_address=1_000)
    # Without uvicorn's main loop, which checks ten times a second whether to stop.
    server = await asyncio.get_running_loop().create_server(
        lambda: HttpProtocol(config, state, {}, connections=connections),
        "127.0.0.1",
        0,
    )
    port = server.sockets[0].getsockname()[1]
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=SECONDS
        ) as http:
            yield Streaming(config_publisher, http)
    finally:
        await config_publisher.close()
        server.close()
        await asyncio.gather(*state.tasks)

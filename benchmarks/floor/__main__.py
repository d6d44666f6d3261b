"""Serves the floor: one function for every path."""

import json
import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import uvicorn
import uvloop

from app.custody.keyfiles import KeyFolder
from app.process.http_server import uvicorn_options
from app.settings import Mode, Settings, load_settings
from benchmarks.floor.calls import Answer, Call
from benchmarks.floor.config import GetConfig
from benchmarks.floor.heartbeat import OneByOne, Together
from benchmarks.floor.keys import ListKeys
from benchmarks.floor.opening import OpenPosition
from benchmarks.floor.release import ReleaseCredentials

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Handler = Callable[[Call], Awaitable[Answer]]


class Floor:
    """The floor's application. The first three parts of a path select one of its `handlers`."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"]
        handler = self.handlers["/".join(path.split("/")[:4])]
        body = b"" if scope["method"] == "GET" else await _read(receive)
        call = Call(path, scope["query_string"].decode(), scope["headers"], body)
        answer = await handler(call)
        headers = [(b"content-type", b"application/json")]
        if answer.body:
            headers.append((b"content-length", b"%d" % len(answer.body)))
        if answer.tag is not None:
            headers.append((b"etag", answer.tag))
        start = {"type": "http.response.start", "status": answer.status, "headers": headers}
        await send(start)
        await send({"type": "http.response.body", "body": answer.body})


async def _read(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _handlers(
    of_users: asyncpg.Pool, pool: asyncpg.Pool, settings: Settings, options: dict[str, Any]
) -> dict[str, Handler]:
    return {
        "/v1/keys": ListKeys(of_users, UUID(options["account_id"])),
        "/v1/runtime/config": GetConfig(pool),
        "/v1/runtime/heartbeat": Together(pool),
        "/v1/runtime/heartbeat-alone": OneByOne(pool),
        "/v1/runtime/positions": OpenPosition(pool),
        "/v1/runtime/credentials": ReleaseCredentials(pool, KeyFolder(settings.keys_folder)),
    }


async def serve(options: dict[str, Any]) -> None:
    settings = load_settings(default_mode=Mode.DEVELOPMENT)
    floor = Floor()
    config = uvicorn.Config(floor, **{**uvicorn_options(settings), "lifespan": "off"})
    size = settings.database_pool_size
    pool = partial(asyncpg.create_pool, options["database_url"], min_size=size, max_size=size)
    # As a process for bots has it: else one side may be planning where the other is not.
    plans = {"plan_cache_mode": "force_generic_plan"}
    async with pool() as of_users, pool(server_settings=plans) as of_bots:
        floor.handlers = await _handlers(of_users, of_bots, settings, options)
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    uvloop.run(serve(json.loads(os.environ["BENCHMARK_FLOOR"])))

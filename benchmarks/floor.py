"""The floor: what the same machine does by hand. A bare ASGI function, no framework, no token.

    BENCHMARK_FLOOR='{"database_url": …, "account_id": …}' BOTKEYS_PORT=… python -m benchmarks.floor

The same uvicorn with the service's own options, asyncpg's pool of the same size, the statement
that the service sends, and the members that it answers with.
"""

import json
import os
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import uvicorn
import uvloop

from app.jsontext import dumps
from app.pagination import DEFAULT_LIMIT, encode_cursor
from app.serving import uvicorn_options
from app.settings import Mode, load_settings

LIST_KEYS = """
SELECT k.id, k.label, k.exchange, k.environment, k.region, k.contract_type, k.masked_key, k.active,
       k.permission_read, k.permission_trade, k.permission_withdraw, k.permission_ip_restricted,
       k.expires_at, k.verification_status, k.verification_reason, k.verification_possible,
       k.verification_checked_at, k.last_release_at, k.last_release_from, k.version, k.revision,
       k.created_at, k.updated_at, b.id AS bot_id, b.name AS bot_name
FROM keys k LEFT OUTER JOIN bots b ON b.account_id = k.account_id AND b.key_id = k.id
WHERE k.account_id = $1 ORDER BY k.id DESC LIMIT $2
"""

Message = dict[str, Any]


def _json(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)


def _key(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "id": row["id"],
        "label": row["label"],
        "exchange": row["exchange"],
        "environment": row["environment"],
        "region": row["region"],
        "contract_type": row["contract_type"],
        "masked_key": row["masked_key"],
        "active": row["active"],
        "bot": None if row["bot_id"] is None else {"id": row["bot_id"], "name": row["bot_name"]},
        "permissions": {
            "read": row["permission_read"],
            "trade": row["permission_trade"],
            "withdraw": row["permission_withdraw"],
            "ip_restricted": row["permission_ip_restricted"],
        },
        "expires_at": row["expires_at"],
        "verification": {
            "status": row["verification_status"],
            "reason": row["verification_reason"],
            "possible": _json(row["verification_possible"]),
            "checked_at": row["verification_checked_at"],
        },
        "last_release": None
        if row["last_release_at"] is None
        else {"at": row["last_release_at"], "from": row["last_release_from"]},
        "version": row["version"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }


class Floor:
    """One ASGI function for every path."""

    def __init__(self, account_id: UUID) -> None:
        self._account_id = account_id
        self.pool: asyncpg.Pool | None = None

    async def __call__(
        self,
        scope: Message,
        _receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if scope["type"] != "http" or self.pool is None:
            return
        limit = DEFAULT_LIMIT
        rows = await self.pool.fetch(LIST_KEYS, self._account_id, limit + 1)
        items = [_key(row) for row in rows[:limit]]
        after = encode_cursor(items[-1]["id"]) if len(rows) > limit else None
        body = dumps({"items": items, "next_cursor": after})
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode("ascii")),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def serve(options: dict[str, Any]) -> None:
    settings = load_settings(default_mode=Mode.DEVELOPMENT)
    floor = Floor(UUID(options["account_id"]))
    config = uvicorn.Config(floor, **{**uvicorn_options(settings), "lifespan": "off"})
    size = settings.database_pool_size
    async with asyncpg.create_pool(
        options["database_url"], min_size=size, max_size=size
    ) as floor.pool:
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    config_text = os.environ["BENCHMARK_FLOOR"]
    uvloop.run(serve(json.loads(config_text)))

"""A release of credentials, by hand: the same statements in one transaction, then the same HPKE."""

import base64
import json
from dataclasses import asdict
from datetime import UTC, timedelta
from typing import Any, TypeAlias

import asyncpg
import orjson

from app.audit.entry import Entry, link
from app.audit.log import ADD, HEAD
from app.db.base import new_id
from app.db.reading import Query
from app.jsontext import dumps
from app.runtime.repository import ADD_RELEASE, LOCK, NEW_ADDRESS, SEALED, WAITING
from app.vault.binding import Binding
from app.vault.keyfiles import KeyFolder, KeyKind
from app.vault.release import Releaser
from benchmarks.floor.calls import Answer, Call
from benchmarks.floor.config import REST, WEBSOCKET
from benchmarks.installation import RELEASES_PER_HOUR

Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

_WINDOW = timedelta(hours=1)
_ADDRESS = "127.0.0.1"


class ReleaseCredentials:
    """Same checks, same records, same chain; the bot is taken at its word."""

    def __init__(self, pool: asyncpg.Pool, keys: KeyFolder) -> None:
        self._pool = pool
        self._releaser = Releaser(keys.load_private_master_keys())
        self._audit_key = bytes(keys.read_secret(KeyKind.AUDIT_HMAC).reveal())

    async def __call__(self, call: Call) -> Answer:
        asked = orjson.loads(call.body)
        account_id, bot_id = call.account_id, call.bot_id
        release_id = new_id()
        async with self._pool.acquire() as connection, connection.transaction():
            bot = {"account": account_id, "bot": bot_id}
            await _fetch(connection, LOCK, **bot)
            (sealed,) = await _fetch(connection, SEALED, **bot)
            key_id, version, suite = sealed["key_id"], sealed["version"], asked["suite"]
            limit = {"window": _WINDOW, "others": RELEASES_PER_HOUR - 1}
            waiting = await _fetch(connection, WAITING, **bot, **limit)
            known = {**bot, "key": key_id, "address": _ADDRESS}
            ((new,),) = await _fetch(connection, NEW_ADDRESS, **known)
            if waiting or new:
                raise RuntimeError("this release would have to be refused, or told")
            added = {"release": release_id, "version": version, "suite": suite}
            await _fetch(connection, ADD_RELEASE, **known, **added)
            details = {"release_id": str(release_id), "version": version, "suite": suite}
            await self._record(connection, call, sealed, details)
        binding = Binding(account_id, key_id, version, sealed["exchange"], sealed["environment"])
        opened = self._releaser.release(
            sealed_data_key=sealed["sealed_data_key"],
            master_key_version=sealed["master_key_version"],
            binding=binding,
            bot_id=bot_id,
            suite=suite,
            public_key=base64.urlsafe_b64decode(asked["public_key"] + "=="),
        )
        return Answer(
            dumps(
                {
                    "release_id": release_id,
                    "account_id": account_id,
                    "bot_id": bot_id,
                    "key_id": key_id,
                    "version": version,
                    "exchange": sealed["exchange"],
                    "environment": sealed["environment"],
                    "suite": suite,
                    "sealed_data_key": _base64url(opened),
                    "nonce": _base64url(sealed["nonce"]),
                    "ciphertext": _base64url(sealed["ciphertext"]),
                    "endpoints": {"rest": REST, "websocket": WEBSOCKET},
                }
            )
        )

    async def _record(
        self,
        connection: Connection,
        call: Call,
        sealed: asyncpg.Record,
        details: dict[str, Any],
    ) -> None:
        ((sequence, previous, now),) = await _fetch(connection, HEAD, account=call.account_id)
        entry = Entry(
            account_id=call.account_id,
            sequence=sequence + 1,
            id=new_id(),
            at=now.astimezone(UTC),
            actor="bot",
            actor_id=str(call.bot_id),
            action="key.release",
            outcome="allowed",
            code=None,
            target="key",
            target_id=str(sealed["key_id"]),
            environment=sealed["environment"],
            address=_ADDRESS,
            request_id="floor",
            details=details,
        )
        mac = link(self._audit_key, previous, entry)
        columns = {**asdict(entry), "details": json.dumps(details)}
        await _fetch(connection, ADD, **columns, mac=mac)


async def _fetch(connection: Connection, query: Query, **parameters: Any) -> list[asyncpg.Record]:
    return await connection.fetch(query.text, *query.arguments(parameters))


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

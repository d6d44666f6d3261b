"""A release of credentials, by hand: the same statements in one transaction, then the same HPKE."""

import base64
import json
from datetime import UTC, timedelta
from typing import Any, TypeAlias

import asyncpg
import orjson

from app.custody.keyfiles import KeyFolder, KeyKind
from app.custody.release import Releaser
from app.db.base import new_id
from app.db.driver import Statement
from app.domains.audit.entry import FORMAT, Entry, link, seal
from app.domains.audit.log import ADD
from app.domains.runtime.release.repository import ADD_RELEASE, FOUND, LOCK
from app.kit.json_codec import dumps
from benchmarks.floor.calls import Answer, Call
from benchmarks.floor.config import REST, WEBSOCKET
from benchmarks.installation import RELEASES_PER_HOUR
from botkeys.sealing.binding import Binding
from botkeys.sealing.suites import PublicKey, SuiteName

Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

_WINDOW = timedelta(hours=1)
_ADDRESS = "127.0.0.1"


class ReleaseCredentials:
    """The same checks, the same records and the same chain; the bot is not authenticated."""

    def __init__(self, pool: asyncpg.Pool, keys: KeyFolder) -> None:
        self._pool = pool
        self._releaser = Releaser(keys.load_private_master_keys())
        self._audit_key = bytes(keys.read_secret(KeyKind.AUDIT_HMAC).reveal())

    async def __call__(self, call: Call) -> Answer:
        request = orjson.loads(call.body)
        account_id, bot_id = call.account_id, call.bot_id
        release_id = new_id()
        async with self._pool.acquire() as connection, connection.transaction():
            bot = {"account": account_id, "bot": bot_id}
            await _fetch(connection, LOCK, **bot)
            limit = {"window": _WINDOW, "others": RELEASES_PER_HOUR - 1}
            (found,) = await _fetch(connection, FOUND, **bot, **limit, address=_ADDRESS)
            if found["waiting"] is not None or found["is_new_address"]:
                raise RuntimeError("this release would have to be refused, or announced")
            key_id, version, suite = found["key_id"], found["version"], request["suite"]
            added = {"release": release_id, "key": key_id, "version": version, "suite": suite}
            (head,) = await _fetch(connection, ADD_RELEASE, **bot, **added, address=_ADDRESS)
            details = {"release_id": str(release_id), "version": version, "suite": suite}
            await self._record(connection, call, found, head, details)
        binding = Binding(account_id, key_id, version, found["exchange"], found["environment"])
        opened = self._releaser.release(
            sealed_data_key=found["sealed_data_key"],
            master_key_version=found["master_key_version"],
            binding=binding,
            bot_id=bot_id,
            recipient=PublicKey(
                SuiteName(suite), base64.urlsafe_b64decode(request["public_key"] + "==")
            ),
        )
        return Answer(
            dumps(
                {
                    "release_id": release_id,
                    "account_id": account_id,
                    "bot_id": bot_id,
                    "key_id": key_id,
                    "version": version,
                    "exchange": found["exchange"],
                    "environment": found["environment"],
                    "suite": suite,
                    "sealed_data_key": _base64url(opened),
                    "nonce": _base64url(found["nonce"]),
                    "ciphertext": _base64url(found["ciphertext"]),
                    "sealed_api_key": None,
                    "endpoints": {"rest": REST, "websocket": WEBSOCKET},
                }
            )
        )

    async def _record(
        self,
        connection: Connection,
        call: Call,
        found: asyncpg.Record,
        head: asyncpg.Record,
        details: dict[str, Any],
    ) -> None:
        sequence, previous, sealed, _, now = head
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
            target_id=str(found["key_id"]),
            environment=found["environment"],
            address=_ADDRESS,
            request_id="floor",
            details=details,
        )
        key = self._audit_key
        if sequence and sealed != seal(key, call.account_id, sequence, previous):
            raise RuntimeError("this chain was cut")
        mac = link(key, previous, entry)
        columns = {**entry.members(), "details": json.dumps(details), "format": FORMAT}
        columns |= {"seal": seal(key, call.account_id, sequence + 1, mac)}
        await _fetch(connection, ADD, **columns, mac=mac, sealed_sequence=sequence + 1)


async def _fetch(
    connection: Connection, statement: Statement, **parameters: Any
) -> list[asyncpg.Record]:
    return await connection.fetch(statement.text, *statement.arguments(parameters))


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

"""A release of credentials, by hand: the service's two statements, then the same HPKE.

They are the same reading and the same statement that locks, checks, records and commits, over one
connection, with the same durable effects: the release, the audit entry in its chain with a sealed
head, and what the key shows.
"""

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
from app.domains.runtime.release.at_once import GRANT, READY
from app.kit.json_codec import dumps
from benchmarks.floor.calls import Answer, Call
from benchmarks.floor.config import REST, WEBSOCKET
from benchmarks.installation import RELEASES_PER_HOUR
from botkeys.sealing.binding import Binding
from botkeys.sealing.suites import PublicKey, SuiteName

Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

_WINDOW = timedelta(hours=1)
_ADDRESS = "127.0.0.1"
_LIMIT = {"window": _WINDOW, "others": RELEASES_PER_HOUR - 1}


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
        bot = {"account": account_id, "bot": bot_id}
        async with self._pool.acquire() as connection:
            while True:
                (found,) = await _fetch(connection, READY, **bot, **_LIMIT, address=_ADDRESS)
                if found["waiting"] is not None or found["is_new_address"]:
                    raise RuntimeError("this release would have to be refused, or announced")
                key_id, version, suite = found["key_id"], found["version"], request["suite"]
                details = {"release_id": str(release_id), "version": version, "suite": suite}
                granted = {
                    **self._entry(call, found, details),
                    **_LIMIT,
                    "bot": bot_id,
                    "token_hash": found["token_hash"],
                    "key": key_id,
                    "version": version,
                    "previous": found["mac"],
                    "release": release_id,
                    "suite": suite,
                }
                # Another release of the account may have been first.
                if await _fetch(connection, GRANT, **granted):
                    break
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

    def _entry(self, call: Call, found: asyncpg.Record, details: dict[str, Any]) -> dict[str, Any]:
        *_, sequence, previous, sealed, _, now = found
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
        return columns | {"mac": mac, "seal": seal(key, call.account_id, sequence + 1, mac)}


async def _fetch(
    connection: Connection, statement: Statement, **parameters: Any
) -> list[asyncpg.Record]:
    return await connection.fetch(statement.text, *statement.arguments(parameters))


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

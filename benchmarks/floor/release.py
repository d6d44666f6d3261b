"""A release of credentials, by hand: the same statements in one transaction, then the same HPKE."""

import base64
import json
from datetime import UTC, timedelta
from typing import Any

import asyncpg
import orjson

from app.audit.entry import GENESIS, Entry, link
from app.db.base import new_id
from app.jsontext import dumps
from app.vault.binding import Binding
from app.vault.keyfiles import KeyFolder, KeyKind
from app.vault.release import Releaser
from benchmarks.floor.calls import Answer, Call
from benchmarks.floor.config import REST, WEBSOCKET
from benchmarks.installation import RELEASES_PER_HOUR

_WINDOW = timedelta(hours=1)
_ADDRESS = "127.0.0.1"

_LOCK = "SELECT id FROM bots WHERE account_id = $1 AND id = $2 FOR NO KEY UPDATE"
_SEALED = """
SELECT k.id, k.exchange, k.environment, k.region, k.contract_type, k.version,
       c.ciphertext, c.nonce, c.sealed_data_key, c.master_key_version
FROM bots b JOIN keys k ON k.account_id = b.account_id AND k.id = b.key_id
JOIN key_credentials c ON c.account_id = k.account_id AND c.key_id = k.id AND c.version = k.version
WHERE b.account_id = $1 AND b.id = $2
"""
_WAITING = """
SELECT extract(epoch FROM recent.at + $3 - clock_timestamp()) FROM (
    SELECT at FROM releases
    WHERE account_id = $1 AND bot_id = $2 AND at > clock_timestamp() - $3::interval
    ORDER BY at DESC LIMIT 1 OFFSET $4
) AS recent
"""
_NEW_ADDRESS = """
SELECT EXISTS (SELECT 1 FROM releases WHERE account_id = $1 AND bot_id = $2 AND key_id = $3)
   AND NOT EXISTS (SELECT 1 FROM releases
                   WHERE account_id = $1 AND bot_id = $2 AND key_id = $3 AND address = $4)
"""
_ADD = """
INSERT INTO releases (account_id, id, bot_id, key_id, version, suite, address)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_TOLD = """
UPDATE keys SET last_release_at = clock_timestamp(), last_release_from = $3
WHERE account_id = $1 AND id = $2
"""
_HEAD = "SELECT sequence, mac FROM audit_heads WHERE account_id = $1 FOR UPDATE"
_RECORD = """
INSERT INTO audit_events (account_id, sequence, id, at, actor, actor_id, action, outcome, code,
                          target, target_id, environment, address, request_id, details, mac)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
"""
_MOVE = "UPDATE audit_heads SET sequence = $2, mac = $3 WHERE account_id = $1"


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
            await connection.fetchval(_LOCK, account_id, bot_id)
            (sealed,) = await connection.fetch(_SEALED, account_id, bot_id)
            waiting = await connection.fetchval(
                _WAITING, account_id, bot_id, _WINDOW, RELEASES_PER_HOUR - 1
            )
            new = await connection.fetchval(
                _NEW_ADDRESS, account_id, bot_id, sealed["id"], _ADDRESS
            )
            if waiting is not None or new:
                raise RuntimeError("this release would have to be refused, or told")
            key_id, version, suite = sealed["id"], sealed["version"], asked["suite"]
            added = (account_id, release_id, bot_id, key_id, version, suite, _ADDRESS)
            await connection.execute(_ADD, *added)
            await connection.execute(_TOLD, account_id, key_id, _ADDRESS)
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
        connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]",
        call: Call,
        sealed: asyncpg.Record,
        details: dict[str, Any],
    ) -> None:
        head = await connection.fetchrow(_HEAD, call.account_id)
        sequence, previous = (0, GENESIS) if head is None else head
        now = await connection.fetchval("SELECT clock_timestamp()")
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
            target_id=str(sealed["id"]),
            environment=sealed["environment"],
            address=_ADDRESS,
            request_id="floor",
            details=details,
        )
        mac = link(self._audit_key, previous, entry)
        told = (entry.account_id, entry.sequence, entry.id, entry.at, entry.actor, entry.actor_id)
        did = (entry.action, entry.outcome, entry.code, entry.target, entry.target_id)
        where = (entry.environment, entry.address, entry.request_id, json.dumps(details))
        await connection.execute(_RECORD, *told, *did, *where, mac)
        await connection.execute(_MOVE, call.account_id, entry.sequence, mac)


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

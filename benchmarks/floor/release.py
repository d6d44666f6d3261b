"""A release of credentials, by hand: the service's two statements, then the same HPKE.

They are the same reading and the same statement that locks, checks, records and commits, each sent
together with those that wait at the same time. The durable effects are the same: the release, the
audit entry in its chain with a sealed head, and what the key shows.
"""

import asyncio
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
from app.domains.runtime.release.at_once import FREE_ONLY, READY
from app.kit.json_codec import dumps
from benchmarks.floor.calls import Answer, Call
from benchmarks.floor.config import REST, WEBSOCKET
from benchmarks.installation import RELEASES_PER_HOUR
from botkeys.sealing.binding import Binding
from botkeys.sealing.suites import PublicKey, SuiteName

_Waiting: TypeAlias = tuple[dict[str, Any], "asyncio.Future[list[asyncpg.Record]]"]

_WINDOW = timedelta(hours=1)
_ADDRESS = "127.0.0.1"
_LIMIT = {"window": _WINDOW, "others": RELEASES_PER_HOUR - 1}
_AT_ONCE = 2
_TRIES = 100


class ReleaseCredentials:
    """The same checks, the same records and the same chain; the bot is not authenticated."""

    def __init__(self, pool: asyncpg.Pool, keys: KeyFolder) -> None:
        self._ready = _Together(pool, READY)
        self._grant = _Together(pool, FREE_ONLY)
        self._releaser = Releaser(keys.load_private_master_keys())
        self._audit_key = bytes(keys.read_secret(KeyKind.AUDIT_HMAC).reveal())

    async def __call__(self, call: Call) -> Answer:
        request = orjson.loads(call.body)
        account_id, bot_id = call.account_id, call.bot_id
        release_id = new_id()
        bot = {"account": account_id, "bot": bot_id}
        for _ in range(_TRIES):
            (found,) = await self._ready.fetch({**bot, **_LIMIT, "address": _ADDRESS})
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
            if await self._grant.fetch(granted):
                break
        else:
            raise RuntimeError("others were always first")
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
        *_, sequence, previous, sealed, _, now, _ = found
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


class _Together:
    """Sends a statement for all that wait in one round trip, in two batches at a time."""

    def __init__(self, pool: asyncpg.Pool, statement: Statement) -> None:
        self._pool = pool
        self._statement = statement
        self._waiting: list[_Waiting] = []
        self._at_work = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def fetch(self, parameters: dict[str, Any]) -> list[asyncpg.Record]:
        rows: asyncio.Future[list[asyncpg.Record]] = asyncio.get_running_loop().create_future()
        self._waiting.append((parameters, rows))
        if self._at_work < _AT_ONCE:
            self._at_work += 1
            task = asyncio.create_task(self._send())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await rows

    async def _send(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            statement = self._statement
            many = [
                statement.arguments({**parameters, "number": number})
                for number, (parameters, _) in enumerate(batch)
            ]
            async with self._pool.acquire() as connection:
                rows = await connection.fetchmany(statement.text, many)
            for number, (_, answer) in enumerate(batch):
                answer.set_result([row for row in rows if row[-1] == number])
        self._at_work -= 1


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

"""Bots with keys, created through the API like anyone's, with five assets each."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import httpx
from sqlalchemy import FromClause, Table, insert, select, text

from app.custody.bot_token import mint, token_hash
from app.custody.keyfiles import KeyFolder, KeyKind
from app.db.base import new_id
from app.db.engine import open_database
from app.db.models import Bot, BotToken, Key, KeyLabel
from benchmarks.installation import Installation
from benchmarks.listing import fill
from benchmarks.load import LoadRequest
from benchmarks.server import Server
from botkeys.client.token import parse_token
from botkeys.sealing.secret import Secret

ACCOUNTS = 20
ASSETS = 5
SYMBOL = "BTC0010USDT"
"""One of the assets."""

_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class FleetBot:
    """A bot of the fleet. `user_token` is its owner's."""

    account_id: str
    bot_id: str
    key_id: str
    token: str
    user_token: str

    def asks(self, path: str, **more: Any) -> LoadRequest:
        """Return the bot's request to the service, with its token."""
        return LoadRequest(f"/v1/runtime/{path}", self.token, **more)

    def asks_floor(self, path: str, **more: Any) -> LoadRequest:
        """Return the same request to the floor, which trusts the ids in the query."""
        return LoadRequest(f"/v1/runtime/{path}?{self.account_id}/{self.bot_id}", **more)


def make_fleet(
    installation: Installation, api: Server, runtime: Server, bots: int, accounts: int = ACCOUNTS
) -> list[FleetBot]:
    """Create `bots` bots of so many accounts, so that bots of one account are never adjacent."""
    return asyncio.run(_make(installation, api, runtime, bots, min(accounts, bots)))


async def _make(
    installation: Installation, api: Server, runtime: Server, bots: int, accounts: int
) -> list[FleetBot]:
    await fill(installation.database_url)
    # The server closes connections that are idle for five seconds, httpx's own default: the client
    # must close them first.
    options: dict[str, Any] = {
        "trust_env": False,
        "timeout": _PATIENCE,
        "limits": httpx.Limits(keepalive_expiry=1),
    }
    async with (
        httpx.AsyncClient(base_url=api.address, **options) as users,
        httpx.AsyncClient(base_url=runtime.address, **options) as minting,
    ):
        turns = asyncio.Semaphore(ACCOUNTS)

        async def of_account(account: int) -> list[tuple[int, FleetBot]]:
            token = installation.token(f"fleet-{account}")
            async with turns:
                return await _of_account(users, minting, token, range(account, bots, accounts))

        made = await asyncio.gather(*map(of_account, range(accounts)))
    await _add_assets(installation.database_url)
    return [bot for _, bot in sorted(pair for some in made for pair in some)]


async def enlarge(
    installation: Installation, fleet: Sequence[FleetBot], more: int
) -> list[FleetBot]:
    """Return `more` further bots like these, written directly into the database.

    Calls for each of them would take a minute.
    """
    hmac_key = KeyFolder(installation.folder / "runtime").read_secret(KeyKind.TOKEN_HMAC)
    database = open_database(
        installation.database_url, application_name="botkeys-bench", pool_size=1
    )
    made: list[FleetBot] = []
    rows: dict[FromClause, list[dict[str, Any]]] = {
        model.__table__: [] for model in (Key, KeyLabel, Bot, BotToken)
    }
    keys, labels, bots, tokens = rows
    try:
        async with database.engine.begin() as connection:
            old = {row.id: row for row in await connection.execute(select(keys))}
            for number in range(more):
                like = fleet[number % len(fleet)]
                key, key_id, bot_id = old[UUID(like.key_id)]._asdict(), new_id(), new_id()
                account_id = key["account_id"]
                token = mint(account_id, bot_id)
                key |= {"id": key_id, "fingerprint": secrets.token_bytes(32)}
                rows[keys].append(key)
                label = {column.name: key.get(column.name) for column in labels.columns}
                rows[labels].append({**label, "key_id": key_id})
                bot = {"account_id": account_id, "id": bot_id, "name": "More", "key_id": key_id}
                rows[bots].append(bot)
                stored = token_hash(bytes(hmac_key.reveal()), token)
                of_bot = {"account_id": account_id, "bot_id": bot_id, "token_hash": stored}
                rows[tokens].append(of_bot)
                made.append(
                    FleetBot(
                        like.account_id, str(bot_id), str(key_id), token.reveal(), like.user_token
                    )
                )
            for table, new in rows.items():
                if new:
                    await connection.execute(insert(cast("Table", table)), new)
            await connection.execute(text(_ASSETS), {"assets": ASSETS})
    finally:
        await database.close()
    return made


async def came_before(installation: Installation, interval: float) -> None:
    """Note for all bots that they have just sent a heartbeat, and were asked for one at this
    interval.
    """
    database = open_database(
        installation.database_url, application_name="botkeys-bench", pool_size=1
    )
    try:
        async with database.engine.begin() as connection:
            await connection.execute(text(_CAME), {"lease": interval * _LEASES})
    finally:
        await database.close()


_LEASES = 3
"""A lease's length by the interval."""
_CAME = """
INSERT INTO presence (account_id, bot_id, last_heartbeat_at, lease_until, announced_online)
SELECT account_id, id, now(), now() + CAST(:lease AS float) * interval '1 second', true FROM bots
ON CONFLICT (account_id, bot_id) DO UPDATE
SET last_heartbeat_at = excluded.last_heartbeat_at, lease_until = excluded.lease_until,
    announced_online = true
"""


async def _of_account(
    users: httpx.AsyncClient, minting: httpx.AsyncClient, token: str, numbers: range
) -> list[tuple[int, FleetBot]]:
    made = []
    for number in numbers:
        key = await _call(
            users,
            "POST",
            "/v1/keys",
            token,
            {
                "label": f"Fleet {number}",
                "exchange": "bybit",
                "environment": "live",
                "contract_type": "linear",
                "api_key": secrets.token_hex(),
                "api_secret": "fleet",
                "verify": False,
            },
        )
        bot = await _call(users, "POST", "/v1/bots", token, {"name": f"Bot {number}"})
        await _call(users, "PUT", f"/v1/bots/{bot['id']}/key", token, {"key_id": key["id"]})
        minted = await _call(minting, "POST", f"/v1/bots/{bot['id']}/token", token)
        checked = {
            "version": 1,
            "status": "ok",
            "permissions": {"withdraw": "no"},
            "checked_at": datetime.now(UTC).isoformat(),
        }
        await _call(
            minting, "POST", "/v1/runtime/heartbeat", minted["token"], {"credentials": checked}
        )
        ids = parse_token(Secret(minted["token"]))
        made.append(
            (number, FleetBot(str(ids.account_id), bot["id"], key["id"], minted["token"], token))
        )
    return made


async def _add_assets(database_url: str) -> None:
    """Add assets to every key without any, in one statement, which is far faster than calls."""
    database = open_database(database_url, application_name="botkeys-bench", pool_size=1)
    try:
        async with database.engine.begin() as connection:
            await connection.execute(text(_ASSETS), {"assets": ASSETS})
    finally:
        await database.close()


_ASSETS = """
INSERT INTO trading_assets (account_id, key_id, contract_type, symbol, leverage, margin_mode,
                            enabled)
SELECT keys.account_id, keys.id, keys.contract_type, listed.symbol, 5, 'cross', true
FROM keys CROSS JOIN (
    SELECT symbol FROM instruments
    WHERE exchange = 'bybit' AND environment = 'live' AND contract_type = 'linear'
    ORDER BY symbol LIMIT CAST(:assets AS integer)
) AS listed
WHERE keys.exchange = 'bybit' AND keys.label LIKE 'Fleet %'
ON CONFLICT DO NOTHING
"""


async def _call(
    http: httpx.AsyncClient, method: str, path: str, token: str, body: Any = None
) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    answer = await http.request(method, path, headers=headers, json=body)
    return answer.raise_for_status().json()

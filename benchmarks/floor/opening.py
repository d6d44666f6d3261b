"""Opening a position, by hand: the service's locks and checks, statement by statement."""

from datetime import timedelta
from decimal import Decimal

import asyncpg
import orjson
from sqlalchemy import bindparam

from app.db.models import Position
from app.db.reading import Query
from app.jsontext import dumps
from app.runtime.situation import ONE
from app.trading.position_rows import POSITIONS
from benchmarks.floor.calls import Answer, Call
from benchmarks.floor.config import document

_RESERVATION = timedelta(seconds=60)
_ACCOUNT = "SELECT account_id FROM accounts WHERE account_id = $1 FOR SHARE"
_BOT = """
SELECT key_id, (SELECT key_id FROM positions WHERE account_id = $1 AND bot_id = $2 AND id = $3)
FROM bots WHERE account_id = $1 AND id = $2 FOR SHARE OF bots
"""
_KEY = "SELECT id FROM keys WHERE account_id = $1 AND id = ANY($2) ORDER BY id FOR SHARE"
_ASSET = """
SELECT symbol FROM trading_assets WHERE account_id = $1 AND key_id = ANY($2) AND symbol = $3
ORDER BY key_id, contract_type FOR SHARE
"""
_POSITION = """
SELECT id FROM positions WHERE account_id = $1 AND bot_id = $2 AND id = $3 FOR UPDATE
"""
_NOW = "SELECT clock_timestamp()"
_ADD = """
INSERT INTO positions (account_id, bot_id, id, key_id, exchange, environment, contract_type, symbol,
                       side, status, quantity, leverage, margin_mode, revision, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'opening', $10, $11, $12, $13, $14)
ON CONFLICT DO NOTHING RETURNING id
"""
_GET = Query(
    POSITIONS.where(
        Position.account_id == bindparam("account"),
        Position.bot_id == bindparam("bot"),
        Position.id == bindparam("position"),
    )
)
_AS_STORED = (
    *("exchange", "environment", "contract_type", "symbol", "side", "status", "quantity"),
    *("entry_price", "exit_price", "leverage", "margin_mode", "fees", "revision", "opened_at"),
    *("closed_at", "close_reason", "expires_at", "created_at", "updated_at"),
)


class OpenPosition:
    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def __call__(self, call: Call) -> Answer:
        said = orjson.loads(call.body)
        name = call.path.rpartition("/")[2]
        account_id, bot_id, symbol = call.account_id, call.bot_id, said["symbol"]
        get = _GET.arguments({"account": account_id, "bot": bot_id, "position": name})
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.fetchval(_ACCOUNT, account_id)
            ((key_id, _),) = await connection.fetch(_BOT, account_id, bot_id, name)
            await connection.fetch(_KEY, account_id, [key_id])
            await connection.fetch(_ASSET, account_id, [key_id], symbol)
            await connection.fetchval(_POSITION, account_id, bot_id, name)
            rows = await connection.fetch(ONE.text, account_id, bot_id)
            stored = await connection.fetch(_GET.text, *get)
            now = await connection.fetchval(_NOW)
            config = document(rows)
            asset = next(asset for asset in config["assets"] if asset["symbol"] == symbol)
            if stored or config["blocked_by"] or asset["blocked_by"]:
                raise RuntimeError("this opening would have to be refused, or is none")
            key = config["key"]
            await connection.fetchval(
                _ADD,
                *(account_id, bot_id, name, key_id),
                *(key["exchange"], key["environment"], key["contract_type"], symbol),
                *(said["side"], Decimal(said["quantity"]), asset["leverage"]),
                *(asset["margin_mode"], said["revision"], now + _RESERVATION),
            )
            (row,) = await connection.fetch(_GET.text, *get)
        told = {
            "id": row["id"],
            "bot": {"id": row["bot_id"], "name": row["bot_name"]},
            "key": {"id": row["key_id"], "label": row["key_label"]},
            **{member: row[member] for member in _AS_STORED},
        }
        return Answer(dumps(told))

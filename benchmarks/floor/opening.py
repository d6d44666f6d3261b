"""Opening a position, by hand: the service's locks and checks, statement by statement."""

from datetime import timedelta
from decimal import Decimal

import asyncpg
import orjson

from app.domains.bots.config_rows import UNDER_LOCKS
from app.domains.positions.report_statements import ADD, WRITTEN
from app.kit.json_codec import dumps
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
_NOT_REPORTED = dict.fromkeys(WRITTEN)
_AS_STORED = (
    "exchange",
    "environment",
    "contract_type",
    "symbol",
    "side",
    "status",
    "quantity",
    "entry_price",
    "exit_price",
    "leverage",
    "margin_mode",
    "fees",
    "revision",
    "opened_at",
    "closed_at",
    "close_reason",
    "expires_at",
    "created_at",
    "updated_at",
)


class OpenPosition:
    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def __call__(self, call: Call) -> Answer:
        reported = orjson.loads(call.body)
        name = call.path.rpartition("/")[2]
        account_id, bot_id, symbol = call.account_id, call.bot_id, reported["symbol"]
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.fetchval(_ACCOUNT, account_id)
            ((key_id, _),) = await connection.fetch(_BOT, account_id, bot_id, name)
            await connection.fetch(_KEY, account_id, [key_id])
            await connection.fetch(_ASSET, account_id, [key_id], symbol)
            stored = await connection.fetchval(_POSITION, account_id, bot_id, name)
            rows = await connection.fetch(UNDER_LOCKS.text, account_id, bot_id)
            config = document(rows)
            asset = next(asset for asset in config["assets"] if asset["symbol"] == symbol)
            if stored or config["blocked_by"] or asset["blocked_by"]:
                raise RuntimeError("this opening would have to be refused, or is none")
            key = config["key"]
            new = {
                **_NOT_REPORTED,
                **{name: key[name] for name in ("exchange", "environment", "contract_type")},
                **{name: asset[name] for name in ("leverage", "margin_mode")},
                **{name: reported[name] for name in ("symbol", "side", "status", "revision")},
                "quantity": Decimal(reported["quantity"]),
                "expires_at": rows[0][-1] + _RESERVATION,
                "account": account_id,
                "bot": bot_id,
                "position": name,
                "key_id": key_id,
                "locks_key": True,
            }
            (row,) = await connection.fetch(ADD.text, *ADD.arguments(new))
        response = {
            "id": row["id"],
            "bot": {"id": row["bot_id"], "name": row["bot_name"]},
            "key": {"id": row["key_id"], "label": row["key_label"]},
            **{member: row[member] for member in _AS_STORED},
        }
        return Answer(dumps(response))

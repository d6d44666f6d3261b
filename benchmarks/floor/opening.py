"""Opening a position, by hand: the service's statements, with its locks and checks."""

from datetime import timedelta
from decimal import Decimal

import asyncpg
import orjson

from app.domains.bots.config_rows import UNDER_LOCKS
from app.domains.positions.report_statements import ADD, LOCK_ALL, WRITTEN
from app.kit.json_codec import dumps
from benchmarks.floor.calls import Answer, Call
from benchmarks.floor.config import document

_RESERVATION = timedelta(seconds=60)
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
            place = {"account": account_id, "bot": bot_id, "position": name}
            locking = LOCK_ALL.arguments({**place, "key": None, "symbol": symbol})
            ((key_id, _, stored, *_),) = await connection.fetch(LOCK_ALL.text, *locking)
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
                **place,
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

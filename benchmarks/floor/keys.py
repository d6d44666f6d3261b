"""The list of keys, by hand."""

from typing import Any
from uuid import UUID

import asyncpg
import orjson

from app.api.pagination import DEFAULT_LIMIT, IdCursors
from app.domains.keys.listing import KeyFilter
from app.domains.keys.rows import KeyRow, blocked_by_of, keys_sql, state_of
from app.kit.json_codec import dumps
from benchmarks.floor.calls import Answer, Call

LIST_KEYS = keys_sql(order="keys.id DESC", limit="LIMIT $2").replace(":account", "$1")


def _json(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)


def _key(row: asyncpg.Record) -> dict[str, Any]:
    made = KeyRow._make(row)._replace(
        verification_possible=_json(row["verification_possible"]),
    )
    state = state_of(made, refuse_withdrawal=True)
    return {
        "id": row["id"],
        "label": row["label"],
        "exchange": row["exchange"],
        "environment": row["environment"],
        "region": row["region"],
        "contract_type": row["contract_type"],
        "masked_key": row["masked_key"],
        "active": row["active"],
        "state": {"word": state.word, "sentence": state.sentence, "since": state.since},
        "bot": None if row["bot_id"] is None else {"id": row["bot_id"], "name": row["bot_name"]},
        "blocked_by": blocked_by_of(made, refuse_withdrawal=True),
        "assets": {"total": made.assets, "enabled": made.enabled_assets},
        "open_positions": made.open_positions,
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
            "possible": made.verification_possible,
            "exchange_code": row["verification_code"]
            if row["verification_status"] in ("rejected", "unknown")
            else None,
            "checked_at": row["verification_checked_at"],
        },
        "last_release": None
        if row["last_release_at"] is None
        else {"at": row["last_release_at"], "from": row["last_release_from"]},
        "public_key": row["public_key"],
        "awaiting_api_key": row["awaiting_api_key"],
        "version": row["version"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }


class ListKeys:
    def __init__(self, pool: asyncpg.Pool, account_id: UUID) -> None:
        self._pool = pool
        self._account_id = account_id

    async def __call__(self, _call: Call) -> Answer:
        limit = DEFAULT_LIMIT
        rows = await self._pool.fetch(LIST_KEYS, self._account_id, limit + 1)
        items = [_key(row) for row in rows[:limit]]
        last = items[-1]["id"] if len(rows) > limit else None
        after = IdCursors("keys", wanted=KeyFilter()).following(last)
        return Answer(dumps({"items": items, "next_cursor": after}))

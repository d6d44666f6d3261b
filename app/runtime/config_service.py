"""What a bot needs to know to run, as one document with a version."""

import hashlib
from typing import Any

from app.auth.errors import TokenFault, Unauthenticated
from app.db.base import AnyRow
from app.exchanges.model import Endpoints
from app.exchanges.registry import Exchanges
from app.jsontext import dumps_sorted
from app.runtime.permission import Situation, blocked_by
from app.runtime.repository import RuntimeRepository

_VERSION_BYTES = 16


class ConfigService:
    def __init__(self, runtime: RuntimeRepository, exchanges: Exchanges) -> None:
        self._runtime = runtime
        self._exchanges = exchanges

    async def config(self) -> dict[str, Any]:
        """The members of `app.runtime.schemas.Config`. Equal content has an equal version."""
        row = await self._runtime.situation()
        if row is None:
            raise Unauthenticated(TokenFault.REVOKED)
        reasons = blocked_by(
            Situation(
                paused=row.paused,
                has_key=row.key_id is not None,
                key_active=bool(row.active),
                key_trades=row.permission_trade or "unknown",
                credentials_rejected=row.verification_status == "rejected",
                enabled_assets=0,
            )
        )
        endpoints = self._endpoints(row)
        content = {
            "may_open_positions": not reasons,
            "blocked_by": reasons,
            "key": _key(row),
            "endpoints": {"rest": endpoints.rest, "websocket": endpoints.websocket},
            "assets": [],
        }
        return {"version": _version(content), **content}

    def _endpoints(self, row: AnyRow) -> Endpoints:
        if row.key_id is None:
            return Endpoints(None, None)
        return self._exchanges.adapter(row.exchange).endpoints(
            row.environment, row.region, row.contract_type
        )


def _key(row: AnyRow) -> dict[str, Any] | None:
    if row.key_id is None:
        return None
    return {
        "id": row.key_id,
        "label": row.label,
        "exchange": row.exchange,
        "environment": row.environment,
        "contract_type": row.contract_type,
        "version": row.version,
    }


def _version(content: dict[str, Any]) -> str:
    """The first 128 bits of the SHA-256 of the content, in hexadecimal."""
    text = dumps_sorted(content)
    return hashlib.sha256(text).digest()[:_VERSION_BYTES].hex()

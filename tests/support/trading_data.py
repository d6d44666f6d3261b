"""Trading data inserted into the database, for keys and bots that need not exist."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert

from app.db.base import Base, new_id
from app.db.models import (
    Account,
    BotEvent,
    DeletionMark,
    EquitySnapshot,
    Funding,
    KeyLabel,
    Position,
    Signal,
    Trade,
)
from app.domains.trading.marks import Mark
from tests.support.world import User, World

START = datetime(2026, 11, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
_KEPT = {"exchange": "okx", "environment": "live", "contract_type": "linear"}
_SIGNAL = {"symbol": "BTC-USDT-SWAP", "name": "mean reversion", "direction": "long"}
MODELS: dict[str, type[Base]] = {
    "trades": Trade,
    "funding": Funding,
    "equity-snapshots": EquitySnapshot,
    "signals": Signal,
    "bot-events": BotEvent,
    "positions": Position,
}
TIMES = {
    "trades": "closed_at",
    "funding": "at",
    "equity-snapshots": "at",
    "signals": "at",
    "bot-events": "at",
    "positions": "created_at",
}
"""The time that each list is ordered by."""

LISTED = list(MODELS)


def new_row(name: str, at: datetime, **columns: Any) -> dict[str, Any]:
    """Return a complete row of that list; `id` is the bot's own name for it."""
    row: dict[str, Any] = {**_KEPT, "id": uuid4().hex, TIMES[name]: at}
    if name in {"trades", "positions"}:
        row |= {"symbol": "BTC-USDT-SWAP", "side": "long", "quantity": Decimal("0.5")}
    if name == "trades":
        prices = {"entry_price": Decimal(100), "exit_price": Decimal("101.50")}
        known = {"pnl": Decimal("0.50"), "settle": "USDT", "contract_size": Decimal(1)}
        row |= {**prices, **known, "fees": Decimal("0.25"), "opened_at": at - SECOND}
    elif name == "positions":
        row |= {"status": "closed", "close_reason": "reported", "closed_at": at, "updated_at": at}
    elif name == "funding":
        row |= {"symbol": "BTC-USDT-SWAP", "amount": Decimal("-1.25"), "settle": "USDT"}
    elif name == "equity-snapshots":
        row |= {"equity": Decimal("1000.10"), "settle": "USDT", "reset": False}
    elif name == "signals":
        row |= _SIGNAL
    else:
        row |= {"kind": "reconnected", "level": "info", "message": "The feed was away."}
        row["reported_id"] = row.pop("id")
    row |= columns
    if name == "bot-events" and "id" in columns:
        row["reported_id"] = row["id"]
    return row | {"id": new_id()} if name == "bot-events" else row


@dataclass(slots=True)
class Desk:
    """An account with the labels of its keys, `live` and `testnet`, which are deleted
    themselves.
    """

    world: World
    user: User
    account_id: UUID
    keys: dict[str, UUID]
    bots: list[UUID] = field(default_factory=lambda: sorted(uuid4() for _ in range(2)))

    async def add(self, name: str, *rows: dict[str, Any]) -> None:
        """Add rows of `new_row`, by default with the key of their environment and the first bot."""
        filled = [
            {
                "account_id": self.account_id,
                "bot_id": self.bots[0],
                "key_id": self.keys.get(row["environment"] or ""),
                **row,
            }
            for row in rows
        ]
        for columns in {frozenset(row) for row in filled}:
            alike = [row for row in filled if frozenset(row) == columns]
            await self.insert(MODELS[name], alike)

    async def mark(self, *marks: Mark) -> None:
        rows = [
            {
                "account_id": self.account_id,
                "id": new_id(),
                "environment": mark.environment,
                "key_id": mark.key_id,
                "cutoff": mark.cutoff,
            }
            for mark in marks
        ]
        await self.insert(DeletionMark, rows)

    async def insert(self, model: type[Base], rows: Sequence[dict[str, Any]]) -> None:
        async with self.world.context.database.sessions.begin() as session:
            await session.execute(insert(model), list(rows))


async def new_desk(world: World, account: str = "alice", **columns: Any) -> Desk:
    user = world.user(account)
    claims = await world.context.verifier.verify(user.token)
    principal = world.context.verifier.principal(claims, None)
    keys = {"live": uuid4(), "testnet": uuid4()}
    desk = Desk(world, user, principal.account_id, keys)
    made = {"account_id": desk.account_id, "issuer": principal.issuer, "subject": account}
    await desk.insert(Account, [{**made, **columns}])
    labels = [
        {
            "account_id": desk.account_id,
            "key_id": key_id,
            "label": f"{environment} key",
            "exchange": "okx",
            "environment": environment,
            "contract_type": "linear",
        }
        for environment, key_id in keys.items()
    ]
    await desk.insert(KeyLabel, labels)
    return desk

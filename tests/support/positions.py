"""Bots that trade, and positions inserted into the database."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import func, insert, select, update

from app.db.models import BotEvent, Position
from app.domains.positions.schemas import Position as PositionDocument
from tests.support.catalogue import OKX, instrument, list_instruments
from tests.support.world import Bot, Json, User, World

IN_A_MINUTE = timedelta(minutes=1)
A_SECOND_AGO = timedelta(seconds=-1)


async def add_position(
    world: World,
    account_id: UUID,
    bot_id: str,
    key_id: str,
    *,
    name: str = "p1",
    status: str = "open",
    expires_in: timedelta | None = None,
) -> None:
    """Insert a position; `expires_in` belongs to `opening`."""
    async with world.context.database.sessions() as session:
        await session.execute(
            insert(Position).values(
                account_id=account_id,
                bot_id=UUID(bot_id),
                id=name,
                key_id=UUID(key_id),
                exchange="okx",
                environment="testnet",
                contract_type="linear",
                symbol="BTC-USDT-SWAP",
                side="long",
                status=status,
                quantity=Decimal(1),
                close_reason="reported" if status == "closed" else None,
                expires_at=None if expires_in is None else func.statement_timestamp() + expires_in,
            )
        )
        await session.commit()


SYMBOL = "BTC-USDT-SWAP"


@dataclass(slots=True)
class Trader:
    """A bot with a key that may open positions on one symbol, cross at leverage 10."""

    world: World
    user: User
    bot: Bot
    document: Json
    key: Json

    async def put(
        self, status: str, name: str = "p1", *, symbol: str = SYMBOL, **members: Any
    ) -> httpx.Response:
        body = {"symbol": symbol, "side": "long", "status": status, "quantity": "0.5", **members}
        return await self.bot.put(f"/v1/runtime/positions/{name}", body)

    async def report(self, status: str, name: str = "p1", **members: Any) -> Json:
        answer = await self.put(status, name, **members)
        assert answer.status_code == 200, answer.text
        document: Json = answer.json()
        assert set(document) == set(PositionDocument.model_fields)
        PositionDocument.model_validate(document)
        return document

    async def refused(self, status: str, name: str = "p1", **members: Any) -> Json:
        """Return the problem, and check that the attempt left nothing behind."""
        before = await self.rows()
        answer = await self.put(status, name, **members)
        assert answer.status_code in {409, 422}, answer.text
        assert await self.rows() == before
        problem: Json = answer.json()
        return problem

    async def rows(self) -> list[Any]:
        async with self.world.context.database.sessions() as session:
            columns = Position.__table__.columns
            return list((await session.execute(select(*columns).order_by(Position.id))).all())

    async def events(self) -> list[tuple[str, str, Any]]:
        """Return kind, level and data of the events about positions."""
        async with self.world.context.database.sessions() as session:
            found = await session.execute(
                select(BotEvent.kind, BotEvent.level, BotEvent.data)
                .where(BotEvent.kind.startswith("position_"))
                .order_by(BotEvent.at)
            )
            return [(row.kind, row.level, row.data) for row in found]

    async def close_by_hand(self, name: str = "p1") -> httpx.Response:
        return await self.user.post(f"/v1/positions/{name}/close")

    async def unassign(self) -> None:
        answer = await self.user.delete(f"/v1/bots/{self.bot.id}/key")
        assert answer.status_code == 200, answer.text

    async def assign(self, key: Json) -> None:
        answer = await self.user.assign(str(self.bot.id), key["id"])
        assert answer.status_code == 200, answer.text

    async def deactivate(self, active: bool = False) -> None:
        answer = await self.user.patch(f"/v1/keys/{self.key['id']}", {"active": active})
        assert answer.status_code == 200, answer.text


async def add_asset(user: User, key: Json, symbol: str = SYMBOL) -> None:
    body = {"symbol": symbol, "leverage": "10", "margin_mode": "cross"}
    answer = await user.post(f"/v1/keys/{key['id']}/assets", body)
    assert answer.status_code == 201, answer.text


async def trader(world: World, account: str = "alice", *, key: Json | None = None) -> Trader:
    """Return a trader on OKX's testnet, with a catalogue of one instrument."""
    user = world.user(account)
    # Before the key: adding a key of an unknown catalogue would start a fetch.
    await list_instruments(world, OKX, instrument(SYMBOL))
    key = key or await user.add_key()
    await add_asset(user, key)
    bot = await user.add_bot()
    assigned = await user.assign(bot["id"], key["id"])
    assert assigned.status_code == 200, assigned.text
    return Trader(world, user, await user.mint(bot["id"]), assigned.json(), key)


async def let_lapse(world: World, seconds: float = 1) -> None:
    """Let the reservations of all openings have expired this long ago."""
    async with world.context.database.sessions.begin() as session:
        ago = func.statement_timestamp() - timedelta(seconds=seconds)
        await session.execute(
            update(Position).where(Position.status == "opening").values(expires_at=ago)
        )

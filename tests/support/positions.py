"""Positions put straight into the database, as their bot would have reported them."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, insert

from app.db.models import Position
from tests.support.world import World

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
    """`expires_in` belongs to `opening`."""
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
                expires_at=None if expires_in is None else func.clock_timestamp() + expires_in,
            )
        )
        await session.commit()

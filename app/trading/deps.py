"""Makes the trading services of a request."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from app.accounts.repository import AccountRepository
from app.api.route import CurrentUnit
from app.runtime.repository import RuntimeRepository
from app.trading.position_repository import PositionRepository
from app.trading.position_service import PositionService
from app.trading.reading_repository import ReadingRepository
from app.trading.reading_service import ReadingService


async def position_service(unit: CurrentUnit) -> PositionService:
    account_id = unit.caller.account_id

    def events_of(bot_id: UUID) -> RuntimeRepository:
        return RuntimeRepository(unit.session, account_id, bot_id)

    return PositionService(
        PositionRepository(unit.session, account_id),
        AccountRepository(unit.session),
        events_of,
        unit.audit(),
    )


async def reading_service(unit: CurrentUnit) -> ReadingService:
    database, account_id = unit.context.database, unit.caller.account_id
    rows = ReadingRepository(database.reader, account_id)
    return ReadingService(rows, database.reader, account_id)


Positions = Annotated[PositionService, Depends(position_service)]
Readings = Annotated[ReadingService, Depends(reading_service)]

"""Makes the trading services of a request."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from app.api.route import CurrentWork
from app.domains.accounts.repository import AccountRepository
from app.domains.bot_events.repository import RuntimeRepository
from app.domains.history.repository import ListRepository
from app.domains.history.service import ListService
from app.domains.positions.repository import PositionRepository
from app.domains.positions.service import PositionService


async def position_service(work: CurrentWork) -> PositionService:
    account_id = work.caller.account_id

    def events_of(bot_id: UUID) -> RuntimeRepository:
        return RuntimeRepository(work.session, account_id, bot_id)

    return PositionService(
        PositionRepository(work.session, account_id),
        AccountRepository(work.session),
        events_of,
        work.audit(),
    )


async def reading_service(work: CurrentWork) -> ListService:
    database, account_id = work.context.database, work.caller.account_id
    rows = ListRepository(database.autocommit, account_id)
    return ListService(rows, database.autocommit, account_id)


Positions = Annotated[PositionService, Depends(position_service)]
Readings = Annotated[ListService, Depends(reading_service)]

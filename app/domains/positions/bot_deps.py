"""Makes the position service of a bot's request."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentWork
from app.domains.bot_events.repository import RuntimeRepository
from app.domains.positions.report_repository import PositionRepository
from app.domains.positions.reports import PositionService


async def position_service(work: CurrentWork) -> PositionService:
    bot = work.caller.bot
    return PositionService(
        PositionRepository(work.session, bot.account_id, bot.bot_id),
        RuntimeRepository(work.session, bot.account_id, bot.bot_id),
        bot,
    )


Positions = Annotated[PositionService, Depends(position_service)]

"""Creates the services of positions: for their owner, and for the bot that reports them."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from app.api.route import CurrentWork
from app.db.driver import SessionExecutor
from app.domains.accounts.repository import AccountRepository
from app.domains.bot_events.repository import BotEventRepository
from app.domains.positions.report_repository import PositionReportRepository
from app.domains.positions.reports import PositionReportService
from app.domains.positions.repository import PositionRepository
from app.domains.positions.service import PositionService


async def position_service(work: CurrentWork) -> PositionService:
    account_id = work.caller.account_id

    def events_of(bot_id: UUID) -> BotEventRepository:
        return BotEventRepository(
            executor=SessionExecutor(work.session), account_id=account_id, bot_id=bot_id
        )

    return PositionService(
        PositionRepository(work.session, account_id),
        AccountRepository(work.session),
        events_of,
        work.audit(),
    )


async def position_report_service(work: CurrentWork) -> PositionReportService:
    bot = work.caller.bot
    return PositionReportService(
        PositionReportRepository(work.session, bot.account_id, bot.bot_id),
        BotEventRepository(
            executor=SessionExecutor(work.session), account_id=bot.account_id, bot_id=bot.bot_id
        ),
        bot,
    )


Positions = Annotated[PositionService, Depends(position_service)]
PositionReports = Annotated[PositionReportService, Depends(position_report_service)]

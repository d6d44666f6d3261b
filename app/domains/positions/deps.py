"""Creates the services of positions: for their owner, and for the bot that reports them."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from app.api.route import CurrentCaller, CurrentWork
from app.auth.principal import BotPrincipal
from app.context import Context, CurrentContext
from app.db.driver import Executor, SessionExecutor
from app.domains.accounts.repository import AccountRepository
from app.domains.audit.deps import audit_log
from app.domains.bot_events.repository import BotEventRepository
from app.domains.events.deps import event_log
from app.domains.events.log import EventLog
from app.domains.positions.report_repository import PositionReportRepository
from app.domains.positions.reports import PositionReportService
from app.domains.positions.repository import PositionRepository
from app.domains.positions.service import PositionService


async def position_service(
    work: CurrentWork, context: CurrentContext, caller: CurrentCaller
) -> PositionService:
    account_id = caller.account_id

    def events_of(bot_id: UUID) -> BotEventRepository:
        return BotEventRepository(
            executor=SessionExecutor(work.session), account_id=account_id, bot_id=bot_id
        )

    return PositionService(
        positions=PositionRepository(session=work.session, account_id=account_id),
        accounts=AccountRepository(session=work.session, user=caller.user),
        events_of=events_of,
        audit=audit_log(work, context, caller),
        log=event_log(work, caller),
    )


def _reports(executor: Executor, context: Context, bot: BotPrincipal) -> PositionReportService:
    of_bot = {"account_id": bot.account_id, "bot_id": bot.bot_id}
    return PositionReportService(
        positions=PositionReportRepository(executor=executor, **of_bot),
        events=BotEventRepository(executor=executor, **of_bot),
        log=EventLog(executor, bot.account_id),
        refusals=context.opening_refusals,
        bot=bot,
        refuse_withdrawal=context.settings.refuse_withdrawal,
    )


async def position_report_service(
    work: CurrentWork, context: CurrentContext, caller: CurrentCaller
) -> PositionReportService:
    return _reports(work.transaction, context, caller.bot)


async def held_position_service(
    context: CurrentContext, caller: CurrentCaller
) -> PositionReportService:
    """Return the service for a reading, which needs no transaction."""
    return _reports(context.database.autocommit, context, caller.bot)


Positions = Annotated[PositionService, Depends(position_service)]
PositionReports = Annotated[PositionReportService, Depends(position_report_service)]
HeldPositions = Annotated[PositionReportService, Depends(held_position_service)]

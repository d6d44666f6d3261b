"""Creates the service that takes heartbeats."""

from functools import partial
from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentCaller, CurrentWork
from app.api.unit_of_work import UnitOfWork
from app.auth.caller import Caller
from app.context import CurrentContext
from app.db.driver import SessionExecutor
from app.domains.bot_events.repository import BotEventRepository
from app.domains.bots.token_repository import BotTokenRepository
from app.domains.catalogue.leverages import KeyLeverages
from app.domains.events.deps import event_log
from app.domains.runtime.config.deps import CurrentConfig
from app.domains.runtime.heartbeat.health_reports import HealthReports
from app.domains.runtime.heartbeat.key_health_repository import HealthRepository
from app.domains.runtime.heartbeat.service import HeartbeatService


async def heartbeat_service(
    work: CurrentWork, context: CurrentContext, caller: CurrentCaller, config: CurrentConfig
) -> HeartbeatService:
    return HeartbeatService(
        heartbeat_writer=context.heartbeat_writer,
        config=config,
        reports=partial(_health_reports, work, caller),
        bot=caller.bot,
    )


def _health_reports(work: UnitOfWork, caller: Caller) -> HealthReports:
    bot = caller.bot
    return HealthReports(
        health=HealthRepository(session=work.session, account_id=bot.account_id, bot_id=bot.bot_id),
        leverages=KeyLeverages(session=work.session, account_id=bot.account_id),
        bot_events=BotEventRepository(
            executor=SessionExecutor(work.session), account_id=bot.account_id, bot_id=bot.bot_id
        ),
        log=event_log(work, caller),
        tokens=BotTokenRepository(session=work.session),
        bot=bot,
    )


Heartbeats = Annotated[HeartbeatService, Depends(heartbeat_service)]

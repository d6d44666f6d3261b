"""Makes the runtime services of a request."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentUnit
from app.api.unit_of_work import Unit
from app.context import RuntimeKeys
from app.domains.bot_events.repository import RuntimeRepository
from app.domains.bots.token_repository import BotTokenRepository
from app.domains.runtime.config.service import ConfigService
from app.domains.runtime.heartbeat.key_health_repository import HealthRepository
from app.domains.runtime.heartbeat.service import HeartbeatService
from app.domains.runtime.release.repository import ReleaseRepository
from app.domains.runtime.release.service import ReleaseService
from app.domains.runtime.stream.publisher import ConfigStreams


def _keys(unit: Unit) -> RuntimeKeys:
    if unit.context.runtime is None:
        raise RuntimeError("runtime routes are served by a process without the role runtime")
    return unit.context.runtime


async def release_service(unit: CurrentUnit) -> ReleaseService:
    bot = unit.caller.bot
    return ReleaseService(
        ReleaseRepository(unit.transaction, bot.account_id, bot.bot_id),
        unit.context.exchanges,
        _keys(unit).releasing,
        unit.audit(),
        bot=bot,
        limit=unit.context.settings.releases_per_hour,
    )


async def config_service(unit: CurrentUnit) -> ConfigService:
    return ConfigService(unit.context.configurations, unit.situation)


async def heartbeat_service(unit: CurrentUnit) -> HeartbeatService:
    context = unit.context
    bot = unit.caller.bot
    return HeartbeatService(
        context.heartbeats,
        context.situations,
        context.configurations,
        HealthRepository(unit.session, bot.account_id, bot.bot_id),
        RuntimeRepository(unit.session, bot.account_id, bot.bot_id),
        BotTokenRepository(unit.session),
        bot,
        unit.situation,
    )


async def config_streams(unit: CurrentUnit) -> ConfigStreams:
    return unit.context.streams


Releases = Annotated[ReleaseService, Depends(release_service)]
Configs = Annotated[ConfigService, Depends(config_service)]
HeartbeatsOfBot = Annotated[HeartbeatService, Depends(heartbeat_service)]
Streams = Annotated[ConfigStreams, Depends(config_streams)]

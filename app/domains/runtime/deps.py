"""Creates the runtime services of a request."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentWork
from app.api.unit_of_work import UnitOfWork
from app.context import RuntimeKeys
from app.domains.bot_events.repository import RuntimeRepository
from app.domains.bots.token_repository import BotTokenRepository
from app.domains.runtime.config.service import ConfigService
from app.domains.runtime.heartbeat.key_health_repository import HealthRepository
from app.domains.runtime.heartbeat.service import HeartbeatService
from app.domains.runtime.release.repository import ReleaseRepository
from app.domains.runtime.release.service import ReleaseService
from app.domains.runtime.stream.publisher import ConfigPublisher


def _keys(work: UnitOfWork) -> RuntimeKeys:
    if work.context.runtime is None:
        raise RuntimeError("runtime routes are served by a process without the role runtime")
    return work.context.runtime


async def release_service(work: CurrentWork) -> ReleaseService:
    bot = work.caller.bot
    return ReleaseService(
        ReleaseRepository(work.transaction, bot.account_id, bot.bot_id),
        work.context.exchanges,
        _keys(work).releasing,
        work.audit(),
        bot=bot,
        limit=work.context.settings.releases_per_hour,
    )


async def config_service(work: CurrentWork) -> ConfigService:
    return ConfigService(work.context.config_cache, work.config_rows)


async def heartbeat_service(work: CurrentWork) -> HeartbeatService:
    context = work.context
    bot = work.caller.bot
    return HeartbeatService(
        context.heartbeat_writer,
        context.config_rows,
        context.config_cache,
        HealthRepository(work.session, bot.account_id, bot.bot_id),
        RuntimeRepository(work.session, bot.account_id, bot.bot_id),
        BotTokenRepository(work.session),
        bot,
        work.config_rows,
    )


async def config_streams(work: CurrentWork) -> ConfigPublisher:
    return work.context.config_publisher


Releases = Annotated[ReleaseService, Depends(release_service)]
Configs = Annotated[ConfigService, Depends(config_service)]
Heartbeats = Annotated[HeartbeatService, Depends(heartbeat_service)]
Streams = Annotated[ConfigPublisher, Depends(config_streams)]

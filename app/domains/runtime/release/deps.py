"""Makes the service that releases credentials."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentWork
from app.api.unit_of_work import UnitOfWork
from app.context import RuntimeKeys
from app.domains.bot_events.repository import BotEventRepository
from app.domains.runtime.release.repository import ReleaseRepository
from app.domains.runtime.release.service import ReleaseService


def _keys(work: UnitOfWork) -> RuntimeKeys:
    if work.context.runtime is None:
        raise RuntimeError("runtime routes are served by a process without the role runtime")
    return work.context.runtime


async def release_service(work: CurrentWork) -> ReleaseService:
    bot = work.caller.bot
    return ReleaseService(
        ReleaseRepository(work.transaction, bot.account_id, bot.bot_id),
        BotEventRepository(executor=work.transaction, account_id=bot.account_id, bot_id=bot.bot_id),
        work.context.exchanges,
        _keys(work).releasing,
        work.audit(),
        bot=bot,
        limit=work.context.settings.releases_per_hour,
    )


Releases = Annotated[ReleaseService, Depends(release_service)]

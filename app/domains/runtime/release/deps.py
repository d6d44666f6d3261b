"""Creates the service that releases credentials."""

from typing import Annotated

from fastapi import Depends, Request

from app.api.route import CurrentCaller, CurrentWork
from app.context import Context, CurrentContext
from app.custody.role_keys import RuntimeKeys
from app.domains.audit.log import AuditLog
from app.domains.bot_events.repository import BotEventRepository
from app.domains.events.log import EventLog
from app.domains.runtime.release.repository import ReleaseRepository
from app.domains.runtime.release.service import ReleaseService


def _keys(context: Context) -> RuntimeKeys:
    if context.runtime is None:
        raise RuntimeError("runtime routes are served by a process without the role runtime")
    return context.runtime


async def release_service(
    work: CurrentWork, context: CurrentContext, caller: CurrentCaller, request: Request
) -> ReleaseService:
    bot = caller.bot
    return ReleaseService(
        ready=request.scope["state"]["ready"],
        batches=context.release_batches,
        noted=work.note_change,
        turns=context.release_turns,
        releases=ReleaseRepository(
            executor=work.transaction, account_id=bot.account_id, bot_id=bot.bot_id
        ),
        events=BotEventRepository(
            executor=work.transaction, account_id=bot.account_id, bot_id=bot.bot_id
        ),
        exchanges=context.exchanges,
        keyring=_keys(context).releasing,
        audit=AuditLog(work.transaction, context.audit, caller),
        log=EventLog(work.transaction, bot.account_id),
        released=context.metrics.releases,
        bot=bot,
        address=caller.address,
        limit=context.settings.releases_per_hour,
    )


Releases = Annotated[ReleaseService, Depends(release_service)]

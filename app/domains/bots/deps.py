"""Creates the bot services of a request."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends, Request

from app.api.route import CurrentCaller, CurrentWork
from app.context import CurrentContext
from app.db.models import Bot
from app.domains.accounts.quotas import Quota
from app.domains.accounts.repository import AccountRepository
from app.domains.audit.deps import audit_log
from app.domains.bots.config_rows import ConfigGlance, ConfigRow
from app.domains.bots.list_repository import BotListRepository
from app.domains.bots.repository import BotRepository
from app.domains.bots.serializers import BotDocuments
from app.domains.bots.service import BotService
from app.domains.bots.token_repository import BotTokenRepository
from app.domains.bots.token_service import BotTokenService
from app.domains.events.deps import event_log


def config_rows_of(request: Request) -> Sequence[ConfigRow]:
    """Return the rows of the calling bot, which were read together with its token."""
    rows: Sequence[ConfigRow] = request.scope["state"]["config_rows"]
    return rows


def config_glance_of(request: Request) -> ConfigGlance:
    """Return the glance at the calling bot that was read together with its token."""
    glance: ConfigGlance = request.scope["state"]["config_glance"]
    return glance


async def bot_service(
    work: CurrentWork, context: CurrentContext, caller: CurrentCaller
) -> BotService:
    return BotService(
        bots=BotRepository(session=work.session, account_id=caller.account_id),
        listed=BotListRepository(
            executor=context.database.autocommit,
            account_id=caller.account_id,
            refuse_withdrawal=context.settings.refuse_withdrawal,
        ),
        accounts=AccountRepository(session=work.session, user=caller.user),
        audit=audit_log(work, context, caller),
        events=event_log(work, caller),
        quota=Quota(
            session=work.session,
            account_id=caller.account_id,
            model=Bot,
            most=context.settings.bots_per_account,
        ),
    )


async def bot_token_service(
    work: CurrentWork, context: CurrentContext, caller: CurrentCaller
) -> BotTokenService:
    if context.runtime is None:
        raise RuntimeError("tokens are minted by a process without the role runtime")
    return BotTokenService(
        bots=BotRepository(session=work.session, account_id=caller.account_id),
        tokens=BotTokenRepository(session=work.session),
        accounts=AccountRepository(session=work.session, user=caller.user),
        audit=audit_log(work, context, caller),
        events=event_log(work, caller),
        hmac_key=context.runtime.token,
    )


async def bot_documents(context: CurrentContext) -> BotDocuments:
    return BotDocuments(refuse_withdrawal=context.settings.refuse_withdrawal)


Documents = Annotated[BotDocuments, Depends(bot_documents)]
Service = Annotated[BotService, Depends(bot_service)]
TokenService = Annotated[BotTokenService, Depends(bot_token_service)]

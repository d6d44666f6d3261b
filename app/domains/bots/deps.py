"""Makes the bot services of a request."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentUnit
from app.domains.accounts.repository import AccountRepository
from app.domains.bots.repository import BotRepository
from app.domains.bots.service import BotService
from app.domains.bots.token_repository import BotTokenRepository
from app.domains.bots.token_service import BotTokenService


async def bot_service(unit: CurrentUnit) -> BotService:
    return BotService(
        BotRepository(unit.session, unit.caller.account_id),
        AccountRepository(unit.session),
        unit.audit(),
    )


async def bot_token_service(unit: CurrentUnit) -> BotTokenService:
    if unit.context.runtime is None:
        raise RuntimeError("tokens are minted by a process without the role runtime")
    return BotTokenService(
        BotRepository(unit.session, unit.caller.account_id),
        BotTokenRepository(unit.session),
        AccountRepository(unit.session),
        unit.audit(),
        unit.context.runtime.token,
    )


Service = Annotated[BotService, Depends(bot_service)]
TokenService = Annotated[BotTokenService, Depends(bot_token_service)]

"""Creates the freeze service of a request."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentWork
from app.domains.accounts.repository import AccountRepository
from app.domains.freezes.repository import FreezeRepository
from app.domains.freezes.service import FreezeService


async def freeze_service(work: CurrentWork) -> FreezeService:
    return FreezeService(
        FreezeRepository(work.session, work.caller.account_id),
        AccountRepository(work.session),
        work.audit(),
    )


Service = Annotated[FreezeService, Depends(freeze_service)]

"""Makes the freeze service of a request."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentUnit
from app.domains.accounts.repository import AccountRepository
from app.domains.freezes.repository import FreezeRepository
from app.domains.freezes.service import FreezeService


async def freeze_service(unit: CurrentUnit) -> FreezeService:
    return FreezeService(
        FreezeRepository(unit.session, unit.caller.account_id),
        AccountRepository(unit.session),
        unit.audit(),
    )


Service = Annotated[FreezeService, Depends(freeze_service)]

"""Makes the account service of a request."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentUnit
from app.domains.accounts.data_repository import DataRepository
from app.domains.accounts.repository import AccountRepository
from app.domains.accounts.service import AccountService


async def account_service(unit: CurrentUnit) -> AccountService:
    return AccountService(
        AccountRepository(unit.session),
        DataRepository(unit.session, unit.caller.account_id),
        unit.audit(),
    )


Service = Annotated[AccountService, Depends(account_service)]

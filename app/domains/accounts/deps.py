"""Creates the account service of a request."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentWork
from app.domains.accounts.data_repository import DataRepository
from app.domains.accounts.repository import AccountRepository
from app.domains.accounts.service import AccountService


async def account_service(work: CurrentWork) -> AccountService:
    return AccountService(
        AccountRepository(work.session),
        DataRepository(work.session, work.caller.account_id),
        work.audit(),
    )


Service = Annotated[AccountService, Depends(account_service)]

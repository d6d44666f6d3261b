"""Creates the account service of a request."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentCaller, CurrentWork
from app.context import CurrentContext
from app.domains.accounts.data_repository import DataRepository
from app.domains.accounts.repository import AccountRepository
from app.domains.accounts.service import AccountService
from app.domains.audit.deps import audit_log


async def account_service(
    work: CurrentWork, context: CurrentContext, caller: CurrentCaller
) -> AccountService:
    return AccountService(
        accounts=AccountRepository(session=work.session, user=caller.user),
        data=DataRepository(session=work.session, account_id=caller.account_id),
        audit=audit_log(work, context, caller),
        account_id=caller.account_id,
    )


Service = Annotated[AccountService, Depends(account_service)]

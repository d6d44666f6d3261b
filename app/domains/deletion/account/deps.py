"""Makes the service that closes an account."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentWork
from app.domains.accounts.repository import AccountRepository
from app.domains.deletion.account.repository import ClosingRepository
from app.domains.deletion.account.service import ClosingService
from app.domains.deletion.repository import DeletionRepository
from app.domains.operations.repository import OperationRepository


async def closing_service(work: CurrentWork) -> ClosingService:
    account_id = work.caller.account_id
    return ClosingService(
        AccountRepository(work.session),
        ClosingRepository(work.session, account_id),
        DeletionRepository(work.session, account_id),
        OperationRepository(work.session, account_id),
        work.context.account_statuses,
        work.audit(),
    )


Closing = Annotated[ClosingService, Depends(closing_service)]

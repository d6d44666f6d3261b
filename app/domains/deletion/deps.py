"""Makes the deletion service of a request."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentWork
from app.domains.accounts.repository import AccountRepository
from app.domains.deletion.repository import DeletionRepository
from app.domains.deletion.service import DeletionService
from app.domains.operations.repository import OperationRepository


async def deletion_service(work: CurrentWork) -> DeletionService:
    return DeletionService(
        DeletionRepository(work.session, work.caller.account_id),
        OperationRepository(work.session, work.caller.account_id),
        AccountRepository(work.session),
        work.audit(),
    )


Deletions = Annotated[DeletionService, Depends(deletion_service)]

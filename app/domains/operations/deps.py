"""Makes the services of a request that concern deletions and operations."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentWork
from app.domains.accounts.repository import AccountRepository
from app.domains.deletion.repository import DeletionRepository
from app.domains.deletion.service import DeletionService
from app.domains.operations.repository import OperationRepository
from app.domains.operations.service import OperationService


async def operation_service(work: CurrentWork) -> OperationService:
    operations = OperationRepository(work.session, work.caller.account_id)
    return OperationService(operations, work.audit())


async def deletion_service(work: CurrentWork) -> DeletionService:
    return DeletionService(
        DeletionRepository(work.session, work.caller.account_id),
        OperationRepository(work.session, work.caller.account_id),
        AccountRepository(work.session),
        work.audit(),
    )


Operations = Annotated[OperationService, Depends(operation_service)]
Deletions = Annotated[DeletionService, Depends(deletion_service)]

"""Makes the services of a request that concern deletions and operations."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentUnit
from app.domains.accounts.repository import AccountRepository
from app.domains.deletion.repository import DeletionRepository
from app.domains.deletion.service import DeletionService
from app.domains.operations.repository import OperationRepository
from app.domains.operations.service import OperationService


async def operation_service(unit: CurrentUnit) -> OperationService:
    operations = OperationRepository(unit.session, unit.caller.account_id)
    return OperationService(operations, unit.audit())


async def deletion_service(unit: CurrentUnit) -> DeletionService:
    return DeletionService(
        DeletionRepository(unit.session, unit.caller.account_id),
        OperationRepository(unit.session, unit.caller.account_id),
        AccountRepository(unit.session),
        unit.audit(),
    )


Operations = Annotated[OperationService, Depends(operation_service)]
Deletions = Annotated[DeletionService, Depends(deletion_service)]

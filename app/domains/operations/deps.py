"""Makes the operation service of a request."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentWork
from app.domains.operations.repository import OperationRepository
from app.domains.operations.service import OperationService


async def operation_service(work: CurrentWork) -> OperationService:
    operations = OperationRepository(work.session, work.caller.account_id)
    return OperationService(operations, work.audit())


Operations = Annotated[OperationService, Depends(operation_service)]

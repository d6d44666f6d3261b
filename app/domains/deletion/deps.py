"""Creates the deletion service of a request."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentCaller, CurrentWork
from app.context import CurrentContext
from app.domains.accounts.repository import AccountRepository
from app.domains.audit.deps import audit_log
from app.domains.deletion.repository import DeletionRepository
from app.domains.deletion.service import DeletionService
from app.domains.events.deps import event_log
from app.domains.operations.repository import OperationRepository


async def deletion_service(
    work: CurrentWork, context: CurrentContext, caller: CurrentCaller
) -> DeletionService:
    return DeletionService(
        deletions=DeletionRepository(session=work.session, account_id=caller.account_id),
        operations=OperationRepository(session=work.session, account_id=caller.account_id),
        accounts=AccountRepository(session=work.session, user=caller.user),
        audit=audit_log(work, context, caller),
        events=event_log(work, caller),
    )


Deletions = Annotated[DeletionService, Depends(deletion_service)]

"""Creates the service that closes an account."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentCaller, CurrentWork
from app.context import CurrentContext
from app.domains.accounts.repository import AccountRepository
from app.domains.audit.deps import audit_log
from app.domains.deletion.account.repository import ClosingRepository
from app.domains.deletion.account.service import ClosingService
from app.domains.deletion.repository import DeletionRepository
from app.domains.events.deps import event_log
from app.domains.operations.repository import OperationRepository
from app.domains.sessions.lifetimes import session_times
from app.domains.sessions.repository import SessionRepository


async def closing_service(
    work: CurrentWork, context: CurrentContext, caller: CurrentCaller
) -> ClosingService:
    account_id = caller.account_id
    return ClosingService(
        accounts=AccountRepository(session=work.session, user=caller.user),
        closing=ClosingRepository(session=work.session, account_id=account_id),
        deletions=DeletionRepository(session=work.session, account_id=account_id),
        operations=OperationRepository(session=work.session, account_id=account_id),
        sessions=SessionRepository(
            session=work.session, account_id=account_id, times=session_times(context.settings)
        ),
        account_statuses=context.account_statuses,
        audit=audit_log(work, context, caller),
        events=event_log(work, caller),
        user=caller.user,
    )


Closing = Annotated[ClosingService, Depends(closing_service)]

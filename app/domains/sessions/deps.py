"""Creates the session service of a request."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentCaller, CurrentWork
from app.context import CurrentContext
from app.domains.accounts.repository import AccountRepository
from app.domains.audit.deps import audit_log
from app.domains.sessions.lifetimes import session_times
from app.domains.sessions.repository import SessionRepository
from app.domains.sessions.service import SessionService


async def session_service(
    work: CurrentWork, context: CurrentContext, caller: CurrentCaller
) -> SessionService:
    return SessionService(
        sessions=SessionRepository(
            session=work.session,
            account_id=caller.account_id,
            times=session_times(context.settings),
        ),
        accounts=AccountRepository(session=work.session, user=caller.user),
        audit=audit_log(work, context, caller),
        user=caller.user,
    )


Service = Annotated[SessionService, Depends(session_service)]

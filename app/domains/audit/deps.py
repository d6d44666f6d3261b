"""Creates the audit log and its reader for a request."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentCaller, CurrentWork
from app.api.unit_of_work import UnitOfWork
from app.auth.caller import Caller
from app.context import Context
from app.db.driver import SessionExecutor
from app.domains.audit.log import AuditLog
from app.domains.audit.repository import AuditRepository


def audit_log(work: UnitOfWork, context: Context, caller: Caller) -> AuditLog:
    """Return the log that is written in the session of the request."""
    return AuditLog(SessionExecutor(work.session), context.audit, caller)


async def audit_repository(work: CurrentWork, caller: CurrentCaller) -> AuditRepository:
    return AuditRepository(session=work.session, account_id=caller.account_id)


Events = Annotated[AuditRepository, Depends(audit_repository)]

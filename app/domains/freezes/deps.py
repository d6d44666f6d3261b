"""Creates the freeze service of a request."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentCaller, CurrentWork
from app.context import CurrentContext
from app.domains.accounts.repository import AccountRepository
from app.domains.audit.deps import audit_log
from app.domains.events.deps import event_log
from app.domains.freezes.repository import FreezeRepository
from app.domains.freezes.service import FreezeService


async def freeze_service(
    work: CurrentWork, context: CurrentContext, caller: CurrentCaller
) -> FreezeService:
    return FreezeService(
        freezes=FreezeRepository(session=work.session, account_id=caller.account_id),
        accounts=AccountRepository(session=work.session, user=caller.user),
        audit=audit_log(work, context, caller),
        events=event_log(work, caller),
    )


Service = Annotated[FreezeService, Depends(freeze_service)]

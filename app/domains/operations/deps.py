"""Creates the operation service of a request."""

from collections.abc import Callable
from functools import partial
from typing import Annotated

from fastapi import Depends, Response

from app.api.route import CurrentCaller, CurrentWork
from app.context import CurrentContext
from app.domains.audit.deps import audit_log
from app.domains.events.deps import event_log
from app.domains.operations.progress_stream import OperationEvents
from app.domains.operations.repository import OperationRepository, OperationRow
from app.domains.operations.service import OperationService


async def operation_service(
    work: CurrentWork, context: CurrentContext, caller: CurrentCaller
) -> OperationService:
    operations = OperationRepository(session=work.session, account_id=caller.account_id)
    return OperationService(
        operations=operations,
        audit=audit_log(work, context, caller),
        events=event_log(work, caller),
    )


async def progress(
    context: CurrentContext, caller: CurrentCaller
) -> Callable[[OperationRow], Response]:
    """Return the function that creates the stream of an operation's progress."""
    return partial(
        OperationEvents,
        context.operations,
        context.database.autocommit,
        caller.account_id,
        limits=context.config_publisher.limits,
    )


Operations = Annotated[OperationService, Depends(operation_service)]
Progress = Annotated[Callable[[OperationRow], Response], Depends(progress)]

"""Creates the import service of a request."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated

from fastapi import Depends, Request

from app.api.route import CurrentCaller, CurrentWork
from app.api.write_limiter import released
from app.context import CurrentContext
from app.domains.accounts.repository import AccountRepository
from app.domains.audit.deps import audit_log
from app.domains.events.deps import event_log
from app.domains.imports.repository import ImportRepository, StagingRepository
from app.domains.imports.service import ImportService
from app.domains.operations.repository import OperationRepository
from app.domains.trading.directory import look_up


async def import_service(
    work: CurrentWork, context: CurrentContext, caller: CurrentCaller, request: Request
) -> ImportService:
    database, account_id = context.database, caller.account_id
    return ImportService(
        imports=ImportRepository(session=work.session, account_id=account_id),
        operations=OperationRepository(session=work.session, account_id=account_id),
        accounts=AccountRepository(session=work.session, user=caller.user),
        audit=audit_log(work, context, caller),
        events=event_log(work, caller),
        work=work,
        staging=lambda operation_id: StagingRepository(
            executor=database.autocommit, account_id=account_id, operation_id=operation_id
        ),
        aside=partial(released, request),
        look_up=partial(look_up, database.autocommit),
        rows_a_day=context.settings.imported_rows_per_day,
    )


async def place(context: CurrentContext, caller: CurrentCaller) -> AsyncIterator[None]:
    """Hold one of the places for files; raise as `ConcurrencyQuota.take` does."""
    context.imports.take(caller.account_id)
    try:
        yield
    finally:
        context.imports.give_back(caller.account_id)


Imports = Annotated[ImportService, Depends(import_service)]
Place = Depends(place)

"""Creates what counts for a request."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentCaller, CurrentWork
from app.context import CurrentContext
from app.domains.overview.repository import TotalsRepository


async def totals_repository(
    work: CurrentWork, context: CurrentContext, caller: CurrentCaller
) -> TotalsRepository:
    return TotalsRepository(
        session=work.session,
        account_id=caller.account_id,
        refuse_withdrawal=context.settings.refuse_withdrawal,
    )


Totals = Annotated[TotalsRepository, Depends(totals_repository)]

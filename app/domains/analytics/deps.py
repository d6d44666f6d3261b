"""Creates the analytics service of a request."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentCaller, CurrentWork
from app.domains.analytics.equity_curve_repository import CurveRepository
from app.domains.analytics.repository import AnalyticsRepository
from app.domains.analytics.service import AnalyticsService


async def analytics_service(work: CurrentWork, caller: CurrentCaller) -> AnalyticsService:
    session, account_id = work.session, caller.account_id
    return AnalyticsService(
        summaries=AnalyticsRepository(session=session, account_id=account_id),
        curves=CurveRepository(session=session, account_id=account_id),
    )


Service = Annotated[AnalyticsService, Depends(analytics_service)]

"""Creates the service of lists for a request."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query

from app.api.pagination import DEFAULT_LIMIT, Cursor, Limit
from app.api.route import CurrentCaller
from app.context import CurrentContext
from app.domains.history.content_negotiation import Form, wanted_form
from app.domains.history.exports import Exporter, export
from app.domains.history.listing import ListQuery, ListResponder
from app.domains.history.repository import ListRepository
from app.domains.history.service import ListService
from app.domains.trading.period import RequestedPeriod
from botkeys.exchanges.model import Environment


async def list_service(context: CurrentContext, caller: CurrentCaller) -> ListService:
    database, account_id = context.database, caller.account_id
    rows = ListRepository(executor=database.autocommit, account_id=account_id)
    return ListService(rows=rows, executor=database.autocommit, account_id=account_id)


Lists = Annotated[ListService, Depends(list_service)]


async def list_query(
    period: RequestedPeriod,
    environment: Annotated[
        Environment | None,
        Query(
            description="Defaults to the account's selected environment. Live and testnet data are "
            "never combined."
        ),
    ] = None,
    key_id: Annotated[
        UUID | None, Query(description="Only data of this key, which may be deleted.")
    ] = None,
    bot_id: Annotated[
        UUID | None,
        Query(
            description="Only data of this bot, which may be deleted. The nil UUID stands for rows "
            "that were imported without a bot."
        ),
    ] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> ListQuery:
    return ListQuery(environment, key_id, bot_id, period, cursor, limit)


async def exporter(context: CurrentContext, caller: CurrentCaller) -> Exporter:
    return partial(export, context.exports, caller.account_id)


async def list_responder(
    service: Lists,
    exporting: Annotated[Exporter, Depends(exporter)],
    query: Annotated[ListQuery, Depends(list_query)],
    form: Annotated[Form, Depends(wanted_form)],
) -> ListResponder:
    return ListResponder(service, exporting, query, form)


Listing = Annotated[ListResponder, Depends(list_responder)]

"""Creates the ingest service of a bot's request."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentCaller, CurrentWork
from app.context import CurrentContext
from app.db.driver import SessionExecutor
from app.domains.catalogue.repository import CatalogueRepository
from app.domains.ingest.repository import IngestRepository
from app.domains.ingest.service import IngestService
from app.domains.trading.contracts import ContractRepository


async def ingest_service(
    work: CurrentWork, context: CurrentContext, caller: CurrentCaller
) -> IngestService:
    bot = caller.bot
    return IngestService(
        rows=IngestRepository(session=work.session, account_id=bot.account_id, bot_id=bot.bot_id),
        contracts=ContractRepository(
            executor=SessionExecutor(work.session), account_id=bot.account_id, bot_id=bot.bot_id
        ),
        catalogue=CatalogueRepository(session=work.session),
        refresher=context.catalogues,
        bot=bot,
        rows_a_day=context.settings.rows_per_bot_and_day,
    )


Ingest = Annotated[IngestService, Depends(ingest_service)]

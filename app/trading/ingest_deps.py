"""Makes the ingest service of a bot's request."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentUnit
from app.catalogue.repository import CatalogueRepository
from app.trading.ingest_repository import IngestRepository
from app.trading.ingest_service import IngestService


async def ingest_service(unit: CurrentUnit) -> IngestService:
    bot = unit.caller.bot
    return IngestService(
        IngestRepository(unit.session, bot.account_id, bot.bot_id),
        CatalogueRepository(unit.session),
        unit.context.catalogues,
        bot,
    )


Ingest = Annotated[IngestService, Depends(ingest_service)]

"""Makes the ingest service of a bot's request."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentUnit
from app.domains.catalogue.repository import CatalogueRepository
from app.domains.ingest.repository import IngestRepository
from app.domains.ingest.service import IngestService


async def ingest_service(unit: CurrentUnit) -> IngestService:
    bot = unit.caller.bot
    return IngestService(
        IngestRepository(unit.session, bot.account_id, bot.bot_id),
        CatalogueRepository(unit.session),
        unit.context.catalogues,
        bot,
    )


Ingest = Annotated[IngestService, Depends(ingest_service)]

"""Makes the catalogue service of a request."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentUnit
from app.domains.catalogue.instrument_repository import InstrumentReader
from app.domains.catalogue.repository import CatalogueRepository
from app.domains.catalogue.service import CatalogueService
from app.domains.keys.repository import KeyRepository


async def catalogue_service(unit: CurrentUnit) -> CatalogueService:
    return CatalogueService(
        unit.session,
        KeyRepository(unit.session, unit.context.database.reader, unit.caller.account_id),
        CatalogueRepository(unit.session),
        InstrumentReader(unit.context.database.reader, unit.caller.account_id),
        unit.context.catalogues,
    )


Service = Annotated[CatalogueService, Depends(catalogue_service)]

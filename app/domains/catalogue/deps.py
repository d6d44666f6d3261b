"""Makes the catalogue service of a request."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentWork
from app.domains.catalogue.instrument_repository import InstrumentReader
from app.domains.catalogue.repository import CatalogueRepository
from app.domains.catalogue.service import CatalogueService


async def catalogue_service(work: CurrentWork) -> CatalogueService:
    return CatalogueService(
        work.session,
        CatalogueRepository(work.session),
        InstrumentReader(work.context.database.autocommit, work.caller.account_id),
        work.context.catalogues,
    )


Service = Annotated[CatalogueService, Depends(catalogue_service)]

"""Creates the catalogue service of a request."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentCaller, CurrentWork
from app.context import CurrentContext
from app.domains.catalogue.instrument_repository import InstrumentReader
from app.domains.catalogue.repository import CatalogueRepository
from app.domains.catalogue.service import CatalogueService


async def catalogue_service(
    work: CurrentWork, context: CurrentContext, caller: CurrentCaller
) -> CatalogueService:
    return CatalogueService(
        session=work.session,
        catalogue=CatalogueRepository(session=work.session),
        listing=InstrumentReader(
            executor=context.database.autocommit, account_id=caller.account_id
        ),
        refresher=context.catalogues,
    )


Service = Annotated[CatalogueService, Depends(catalogue_service)]


async def outbound_addresses(context: CurrentContext) -> tuple[str, ...]:
    return context.settings.outbound_addresses


OutboundAddresses = Annotated[tuple[str, ...], Depends(outbound_addresses)]


async def simulated(context: CurrentContext) -> bool:
    return context.settings.simulated


Simulated = Annotated[bool, Depends(simulated)]

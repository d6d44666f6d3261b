"""Makes the asset service of a request."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentUnit
from app.domains.accounts.repository import AccountRepository
from app.domains.assets.repository import AssetRepository
from app.domains.assets.service import AssetService
from app.domains.catalogue.repository import CatalogueRepository
from app.domains.keys.repository import KeyRepository


async def asset_service(unit: CurrentUnit) -> AssetService:
    reader, account_id = unit.context.database.reader, unit.caller.account_id
    return AssetService(
        unit.session,
        AssetRepository(unit.session, reader, account_id),
        KeyRepository(unit.session, reader, account_id),
        AccountRepository(unit.session),
        CatalogueRepository(unit.session),
        unit.context.catalogues,
        unit.audit(),
    )


Service = Annotated[AssetService, Depends(asset_service)]

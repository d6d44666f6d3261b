"""Creates the asset service of a request."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentWork
from app.domains.accounts.repository import AccountRepository
from app.domains.assets.repository import AssetRepository
from app.domains.assets.service import AssetService
from app.domains.catalogue.repository import CatalogueRepository
from app.domains.keys.repository import KeyRepository


async def asset_service(work: CurrentWork) -> AssetService:
    reader, account_id = work.context.database.autocommit, work.caller.account_id
    return AssetService(
        work.session,
        AssetRepository(work.session, reader, account_id),
        KeyRepository(work.session, reader, account_id),
        AccountRepository(work.session),
        CatalogueRepository(work.session),
        work.context.catalogues,
        work.audit(),
    )


Service = Annotated[AssetService, Depends(asset_service)]

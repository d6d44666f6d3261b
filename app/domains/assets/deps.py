"""Creates the asset service of a request."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentCaller, CurrentWork
from app.context import CurrentContext
from app.domains.accounts.repository import AccountRepository
from app.domains.assets.repository import AssetRepository
from app.domains.assets.service import AssetService
from app.domains.audit.deps import audit_log
from app.domains.catalogue.repository import CatalogueRepository
from app.domains.events.deps import event_log
from app.domains.keys.margin_modes import MarginModes
from app.domains.keys.repository import KeyRepository


async def asset_service(
    work: CurrentWork, context: CurrentContext, caller: CurrentCaller
) -> AssetService:
    reader, account_id = context.database.autocommit, caller.account_id
    return AssetService(
        session=work.session,
        assets=AssetRepository(session=work.session, executor=reader, account_id=account_id),
        keys=KeyRepository(session=work.session, executor=reader, account_id=account_id),
        modes=MarginModes(session=work.session, account_id=account_id),
        accounts=AccountRepository(session=work.session, user=caller.user),
        catalogue=CatalogueRepository(session=work.session),
        refresher=context.catalogues,
        audit=audit_log(work, context, caller),
        events=event_log(work, caller),
        most=context.settings.assets_per_key,
    )


Service = Annotated[AssetService, Depends(asset_service)]

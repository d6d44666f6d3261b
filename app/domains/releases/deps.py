"""Creates the service of releases for a request."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentCaller, CurrentWork
from app.domains.releases.repository import KeyReleaseRepository
from app.domains.releases.service import KeyReleaseService


async def key_release_service(work: CurrentWork, caller: CurrentCaller) -> KeyReleaseService:
    return KeyReleaseService(
        releases=KeyReleaseRepository(session=work.session, account_id=caller.account_id)
    )


Service = Annotated[KeyReleaseService, Depends(key_release_service)]

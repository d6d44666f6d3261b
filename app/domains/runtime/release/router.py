"""The route that releases a bot's credentials (role `runtime`)."""

from fastapi import APIRouter, Response

from app.api.access import for_bots
from app.api.json_response import json_answer
from app.api.problems import problems
from app.api.route import CurrentWork, EdgeRoute
from app.domains.bots.errors import NoKey
from app.domains.runtime.release.deps import Releases
from app.domains.runtime.release.errors import CredentialsUnreadable
from app.domains.runtime.release.schemas import Release, ReleaseRequest

router = APIRouter(prefix="/v1/runtime", tags=["runtime"], route_class=EdgeRoute)


@router.post(
    "/credentials",
    operation_id="releaseCredentials",
    summary="Release the bot's credentials",
    response_model=Release,
    responses=problems(NoKey, CredentialsUnreadable),
)
@for_bots(action="key.release", releases=True, hot=True)
async def release_credentials(
    request: ReleaseRequest, service: Releases, work: CurrentWork
) -> Response:
    """Release the bot's credentials, sealed to its one-time key.

    Only the key that the bot generated for this request opens the response; nothing that the
    service holds does. The release is recorded before it is made.
    """
    ticket = await service.grant(request)
    await work.commit()
    return json_answer(service.fulfil(ticket))

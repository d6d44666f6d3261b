"""Routes of bots, for their own bot only (role `runtime`)."""

from typing import Annotated

from fastapi import APIRouter, Header, Response

from app.api.access import for_bots
from app.api.json_response import json_answer
from app.api.responses import reading
from app.api.route import CurrentWork, EdgeRoute
from app.domains.bots.errors import NoKey
from app.domains.runtime.deps import Configs, Releases
from app.domains.runtime.release import errors
from app.domains.runtime.schemas import Config, Release, ReleaseRequest

router = APIRouter(prefix="/v1/runtime", tags=["runtime"], route_class=EdgeRoute)


@router.post(
    "/credentials",
    operation_id="releaseCredentials",
    summary="Release the bot's credentials",
    response_model=Release,
    responses=reading(NoKey, errors.CredentialsUnreadable),
)
@for_bots(action="key.release")
async def release_credentials(
    request: ReleaseRequest, service: Releases, work: CurrentWork
) -> Response:
    """Release the bot's credentials, sealed to its one-time key.

    Only the key that the bot generated for this request opens the response; nothing that the
    service holds does. The release is recorded before it is made.
    """
    ticket = await service.grant(request, work.caller.address)
    await work.checkpoint()
    work.context.metrics.releases.inc()
    return json_answer(service.fulfil(ticket))


@router.get(
    "/config",
    operation_id="getConfig",
    summary="Get the bot's configuration",
    response_model=Config,
    responses={
        304: {"description": "The configuration still has the version in If-None-Match."},
        **reading(),
    },
)
@for_bots(reads_config=True)
async def get_config(
    service: Configs,
    if_none_match: Annotated[
        str | None, Header(description="The `ETag` of the configuration that the bot already has.")
    ] = None,
) -> Response:
    """Return the bot's key, trading assets and endpoints, and whether it may open positions."""
    config = service.config()
    tag = f'"{config.version}"'
    if if_none_match is not None and _names(if_none_match, tag):
        return Response(status_code=304, headers={"ETag": tag})
    return Response(config.document, media_type="application/json", headers={"ETag": tag})


def _names(if_none_match: str, tag: str) -> bool:
    """RFC 9110, section 13.1.2, with weak comparison."""
    tags = [item.strip().removeprefix("W/") for item in if_none_match.split(",")]
    return "*" in tags or tag in tags

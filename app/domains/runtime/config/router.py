"""The route on which a bot reads its configuration (role `runtime`)."""

from typing import Annotated

from fastapi import APIRouter, Header, Response

from app.api.access import for_bots
from app.api.route import EdgeRoute
from app.domains.runtime.config.cache import Configuration, Summary
from app.domains.runtime.config.deps import CurrentConfig
from app.domains.runtime.config.schemas import Config

router = APIRouter(prefix="/v1/runtime", tags=["runtime"], route_class=EdgeRoute)


@router.get(
    "/config",
    operation_id="getConfig",
    summary="Get the bot's configuration",
    response_model=Config,
    responses={
        304: {"description": "The configuration still has the version in If-None-Match."},
    },
)
@for_bots(glances=True, hot=True)
async def get_config(
    config: CurrentConfig,
    if_none_match: Annotated[
        str | None,
        Header(
            alias="If-None-Match",
            description="The `ETag` of the configuration that the bot already has.",
        ),
    ] = None,
) -> Response:
    """Return the bot's key, trading assets and endpoints, and whether it may open positions."""
    if if_none_match is not None:
        tag = _tag(await config.summary())
        if _names(if_none_match, tag):
            return Response(status_code=304, headers={"ETag": tag})
    whole = await config.whole()
    headers = {"ETag": _tag(whole)}
    return Response(whole.document, media_type="application/json", headers=headers)


def _tag(of: Summary | Configuration) -> str:
    return f'"{of.version}"'


def _names(if_none_match: str, tag: str) -> bool:
    """Return whether the header names the tag (RFC 9110, section 13.1.2, weak comparison)."""
    tags = [item.strip().removeprefix("W/") for item in if_none_match.split(",")]
    return "*" in tags or tag in tags

"""The route of heartbeats (role `runtime`)."""

from fastapi import APIRouter, Response

from app.api.access import for_bots
from app.api.json_response import json_answer
from app.api.route import CurrentWork, EdgeRoute
from app.domains.runtime.heartbeat.deps import Heartbeats
from app.domains.runtime.heartbeat.schemas import Heartbeat, HeartbeatAnswer

router = APIRouter(prefix="/v1/runtime", tags=["runtime"], route_class=EdgeRoute)

_PLAIN = Heartbeat()


@router.post(
    "/heartbeat",
    operation_id="sendHeartbeat",
    summary="Send a heartbeat",
    response_model=HeartbeatAnswer,
)
@for_bots(glances=True, hot=True, unhurried=True)
async def send_heartbeat(
    service: Heartbeats, work: CurrentWork, heartbeat: Heartbeat = _PLAIN
) -> Response:
    """Record that the bot is alive, and return the current configuration's version.

    The response is sent once the heartbeat is stored. The bot then counts as online for the
    configured lease, 30 seconds by default: send a heartbeat every 10 seconds. With `credentials`
    the bot reports what the exchange says about them, which only the bot can ask: report once a
    day, and when the exchange rejects them.
    """
    if heartbeat.credentials is not None:
        await service.report(heartbeat.credentials)
        await work.commit()
    return json_answer(await service.beat())

"""The route by which a bot says that it lives (role `runtime`)."""

from fastapi import APIRouter, Response

from app.api.access import for_bots
from app.api.json_response import json_answer
from app.api.responses import reading
from app.api.route import CurrentWork, EdgeRoute
from app.domains.runtime.deps import Heartbeats
from app.domains.runtime.heartbeat.schemas import Heartbeat, HeartbeatAnswer
from app.domains.trading.errors import ClockAhead

router = APIRouter(prefix="/v1/runtime", tags=["runtime"], route_class=EdgeRoute)

_PLAIN = Heartbeat()


@router.post(
    "/heartbeat",
    operation_id="sendHeartbeat",
    summary="Say that the bot lives",
    response_model=HeartbeatAnswer,
    responses=reading(ClockAhead),
)
@for_bots(reads_config=True)
async def send_heartbeat(
    service: Heartbeats, work: CurrentWork, heartbeat: Heartbeat = _PLAIN
) -> Response:
    """The answer comes once the heartbeat is stored. The bot is then online for the time that the
    service is set to, 30 seconds unless changed: send one every 10. With `credentials` the bot
    tells what its exchange says of them, which nobody else can ask: do that once a day, and when
    the exchange refuses them.
    """
    if heartbeat.credentials is not None:
        await service.report(heartbeat.credentials)
        await work.checkpoint()
    return json_answer(await service.beat())

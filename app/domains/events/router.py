"""Routes of events (role `api`)."""

from operator import attrgetter
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from app.api.access import for_users
from app.api.json_response import json_answer
from app.api.pagination import DEFAULT_LIMIT, Cursor, Limit, NumberCursors, Page
from app.api.route import EdgeRoute
from app.api.streaming import event_stream
from app.auth.scopes import Scope
from app.domains.events.deps import Repository, Stream
from app.domains.events.repository import EventFilter
from app.domains.events.schemas import EventPage
from app.domains.events.serializers import event_document
from app.domains.events.types import EventType
from app.domains.trading.period import RequestedPeriod
from botkeys.exchanges.model import Environment

_EXAMPLE = """\
retry: 1000

event: ready
data: {"id":"41-647aa1c3f8c00"}
id: 41-647aa1c3f8c00

data: {"id":"42-647aa1c3f8c2d","type":"key.added","at":"2026-11-29T03:00:00Z",…}
id: 42-647aa1c3f8c2d

: ping

"""
_STREAM = event_stream("Events until the stream ends; then connect again.", _EXAMPLE)
_READS = (Scope.DATA_READ, Scope.KEYS_READ, Scope.BOTS_READ)
"""An event names keys and bots and says what became of positions: a token that may not read one of
these would learn of it here.
"""

router = APIRouter(prefix="/v1/events", tags=["events"], route_class=EdgeRoute)


@router.get(
    "",
    operation_id="listEvents",
    summary="List events",
    response_model=EventPage,
)
@for_users(*_READS)
async def list_events(
    events: Repository,
    period: RequestedPeriod,
    type: Annotated[  # noqa: A002  # its name in the address
        EventType | None, Query(description="Only events of this type.")
    ] = None,
    key_id: Annotated[UUID | None, Query(description="Only events of this key.")] = None,
    bot_id: Annotated[UUID | None, Query(description="Only events of this bot.")] = None,
    environment: Annotated[
        Environment | None, Query(description="Only events that concern this environment.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """List what happened in the account in the last 30 days, newest first.

    Each change of the account writes its event in the same transaction.
    """
    wanted = EventFilter(type, key_id, bot_id, environment)
    cursors = NumberCursors("events", wanted=wanted, since=period.since, until=period.until)
    rows = await events.page(wanted, period, cursors.after(cursor), limit + 1)
    page = Page.cut(rows, limit, attrgetter("id"))
    return json_answer(page.envelope(cursors, event_document))


@router.get(
    "/stream",
    operation_id="streamEvents",
    summary="Follow the account's events",
    response_class=Response,
    responses=_STREAM,
)
@for_users(*_READS)
async def stream_events(stream: Stream) -> Response:
    """Stream the account's events as server-sent events, in the order of `listEvents` reversed.

    The first is named `ready` and has the id after which the stream begins: that of the newest
    event, or the one that was sent. Read your lists once it has arrived, and nothing is missed.
    Each further one has no name, the document of `listEvents` as its data and its id; after
    `Last-Event-ID`, those that were missed come first, in order and each once. If that id is
    unknown or too old, the stream begins with `reset` in place of `ready`: reload everything.

    A comment every few seconds keeps the stream alive. It ends from time to time, when the token
    expires, and after `account.closing`: connect again. A client that accepts nothing for a minute
    is disconnected. An account may have twenty streams per process of the service.

    Generated clients cannot read event streams as they arrive: poll `listEvents` instead.
    """
    return stream

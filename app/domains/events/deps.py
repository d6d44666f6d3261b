"""Creates what writes and reads events in a request."""

from typing import Annotated

from fastapi import Depends, Header, Query

from app.api.route import CurrentCaller, CurrentWork
from app.api.unit_of_work import UnitOfWork
from app.auth.caller import Caller
from app.context import CurrentContext
from app.db.driver import SessionExecutor
from app.domains.events.log import EventLog
from app.domains.events.repository import EventRepository
from app.domains.events.stream import EventStream


def event_log(work: UnitOfWork, caller: Caller) -> EventLog:
    """Return the log that is written in the session of the request."""
    return EventLog(SessionExecutor(work.session), caller.account_id)


async def event_repository(work: CurrentWork, caller: CurrentCaller) -> EventRepository:
    return EventRepository(session=work.session, account_id=caller.account_id)


async def event_stream(
    context: CurrentContext,
    caller: CurrentCaller,
    last_event_id: Annotated[
        str | None,
        Query(
            max_length=40,
            description="The id of the last event that the client has, for a first connection; "
            "`Last-Event-ID` takes precedence.",
        ),
    ] = None,
    header: Annotated[
        str | None,
        Header(
            alias="Last-Event-ID", description="The id of the last event that the client has seen."
        ),
    ] = None,
) -> EventStream:
    """Return the stream of the caller's account."""
    return await context.event_streams.open(
        caller.user,
        last_event_id if header is None else header,
        context.config_publisher.limits,
    )


Repository = Annotated[EventRepository, Depends(event_repository)]
Stream = Annotated[EventStream, Depends(event_stream)]

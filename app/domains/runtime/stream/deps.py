"""The streams that this process holds, and what a new one begins with."""

from typing import Annotated

from fastapi import Depends, Request

from app.context import CurrentContext
from app.domains.bots.deps import config_rows_of
from app.domains.runtime.stream.publisher import ConfigPublisher, Reading


async def config_streams(context: CurrentContext) -> ConfigPublisher:
    return context.config_publisher


async def first_reading(request: Request) -> Reading:
    """Return what was read with the bot's token, after it was let in."""
    return Reading(config_rows_of(request), request.scope["state"]["admitted_at"])


Streams = Annotated[ConfigPublisher, Depends(config_streams)]
FirstReading = Annotated[Reading, Depends(first_reading)]

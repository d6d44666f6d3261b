"""The streams that this process holds."""

from typing import Annotated

from fastapi import Depends

from app.context import CurrentContext
from app.domains.runtime.stream.publisher import ConfigPublisher


async def config_streams(context: CurrentContext) -> ConfigPublisher:
    return context.config_publisher


Streams = Annotated[ConfigPublisher, Depends(config_streams)]

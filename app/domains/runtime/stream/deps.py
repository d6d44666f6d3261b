"""The streams that this process holds."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentWork
from app.domains.runtime.stream.publisher import ConfigPublisher


async def config_streams(work: CurrentWork) -> ConfigPublisher:
    return work.context.config_publisher


Streams = Annotated[ConfigPublisher, Depends(config_streams)]

"""The configuration of the calling bot."""

from typing import Annotated

from fastapi import Depends

from app.api.route import CurrentWork
from app.domains.runtime.config.cache import Configuration


async def current_config(work: CurrentWork) -> Configuration:
    return work.context.config_cache.of(work.config_rows)


CurrentConfig = Annotated[Configuration, Depends(current_config)]

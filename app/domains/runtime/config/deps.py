"""The configuration of the calling bot."""

from typing import Annotated

from fastapi import Depends, Request

from app.context import CurrentContext
from app.domains.bots.deps import config_rows_of
from app.domains.runtime.config.cache import Configuration


async def current_config(context: CurrentContext, request: Request) -> Configuration:
    return context.config_cache.of(config_rows_of(request))


CurrentConfig = Annotated[Configuration, Depends(current_config)]

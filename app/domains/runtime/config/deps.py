"""The configuration of the calling bot."""

from typing import Annotated

from fastapi import Depends, Request

from app.api.route import CurrentCaller
from app.context import CurrentContext
from app.domains.bots.deps import config_glance_of
from app.domains.runtime.config.current import CurrentConfiguration


async def current_config(
    context: CurrentContext, caller: CurrentCaller, request: Request
) -> CurrentConfiguration:
    return CurrentConfiguration(
        context.config_cache, context.config_rows, caller.bot, config_glance_of(request)
    )


CurrentConfig = Annotated[CurrentConfiguration, Depends(current_config)]

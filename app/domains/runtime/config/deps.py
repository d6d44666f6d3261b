"""The configuration of the calling bot."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends, Request

from app.context import CurrentContext
from app.domains.bots.config_rows import ConfigRow
from app.domains.bots.deps import config_rows_of
from app.domains.runtime.config.cache import ConfigCache


class CurrentConfiguration:
    """The configuration of the calling bot, of which most calls need no more than the version."""

    __slots__ = ("_cache", "_rows")

    def __init__(self, cache: ConfigCache, rows: Sequence[ConfigRow]) -> None:
        self._cache = cache
        self._rows = rows

    @property
    def version(self) -> str:
        return self._cache.summary(self._rows).version

    @property
    def document(self) -> bytes:
        return self._cache.of(self._rows).document


async def current_config(context: CurrentContext, request: Request) -> CurrentConfiguration:
    return CurrentConfiguration(context.config_cache, config_rows_of(request))


CurrentConfig = Annotated[CurrentConfiguration, Depends(current_config)]

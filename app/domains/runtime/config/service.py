"""Returns a bot's configuration."""

from collections.abc import Sequence

from app.domains.bots.config_rows import ConfigRow
from app.domains.runtime.config.cache import ConfigCache, Configuration


class ConfigService:
    def __init__(self, config_cache: ConfigCache, rows: Sequence[ConfigRow]) -> None:
        self._config_cache = config_cache
        self._rows = rows

    def config(self) -> Configuration:
        return self._config_cache.of(self._rows)

"""Gives a bot its configuration."""

from collections.abc import Sequence

from app.domains.bots.config_rows import ConfigRow
from app.domains.runtime.config.cache import Configuration, Configurations


class ConfigService:
    def __init__(self, configurations: Configurations, rows: Sequence[ConfigRow]) -> None:
        self._configurations = configurations
        self._rows = rows

    def config(self) -> Configuration:
        return self._configurations.of(self._rows)

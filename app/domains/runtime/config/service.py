"""Gives a bot its configuration."""

from collections.abc import Sequence

from app.domains.bots.config_rows import SituationRow
from app.domains.runtime.config.cache import Configuration, Configurations


class ConfigService:
    def __init__(self, configurations: Configurations, situation: Sequence[SituationRow]) -> None:
        self._configurations = configurations
        self._situation = situation

    def config(self) -> Configuration:
        return self._configurations.of(self._situation)

"""Gives a bot its configuration."""

from collections.abc import Sequence

from app.runtime.configurations import Configuration, Configurations
from app.runtime.situation import SituationRow


class ConfigService:
    def __init__(self, configurations: Configurations, situation: Sequence[SituationRow]) -> None:
        self._configurations = configurations
        self._situation = situation

    def config(self) -> Configuration:
        return self._configurations.of(self._situation)

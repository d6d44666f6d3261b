"""What `botkeys.ccxt` needs of a bot's client, without a service."""

from botkeys.client import BotConfig, ReleasedCredentials


class SyncBot:
    def __init__(self, credentials: ReleasedCredentials, config: BotConfig) -> None:
        self._credentials = credentials
        self._config = config
        self.newest_config: BotConfig | None = None

    def credentials(self) -> ReleasedCredentials:
        return self._credentials

    def config(self) -> BotConfig:
        return self._config


class AsyncBot:
    def __init__(self, credentials: ReleasedCredentials, config: BotConfig) -> None:
        self._credentials = credentials
        self._config = config
        self.newest_config: BotConfig | None = None

    async def credentials(self) -> ReleasedCredentials:
        return self._credentials

    async def config(self) -> BotConfig:
        return self._config

"""What the chapters of the demo hand on to each other."""

from dataclasses import dataclass, field
from typing import Any

import httpx

from botkeys.client import BotClient
from examples.bot_process import BotProcess
from examples.service import DemoService
from examples.story import Json, Story


@dataclass(slots=True)
class Scene:
    """What the steps hand on to each other. `planted` are the secrets that must show up nowhere."""

    story: Story
    service: DemoService
    http: httpx.AsyncClient
    planted: dict[str, str] = field(default_factory=dict)
    variants: Json = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    bot_id: str = ""
    bot_token: str = ""
    second_bot_id: str = ""
    bot: BotProcess | None = None
    dumps: dict[str, bytes] = field(default_factory=dict)
    logged_request: str = ""
    start_seconds: float = 0.0
    """How long the service took to start: how fast this machine is today."""

    async def call(
        self, method: str, path: str, body: Any = None, *, accept: str = "application/json"
    ) -> httpx.Response:
        """A call of Alice's."""
        token = self.planted["token of Alice"]
        headers = {"Authorization": f"Bearer {token}", "Accept": accept}
        return await self.http.request(method, path, json=body, headers=headers)

    def client(self) -> BotClient:
        """The bot's side, with the configuration that a bot brings along."""
        return BotClient(
            self.service.url,
            self.bot_token,
            key_id=self.keys["okx"],
            exchange="okx",
            environment="testnet",
        )

    async def end(self) -> None:
        """Whatever has happened: nothing that was started here goes on."""
        if self.bot is not None:
            await self.bot.end()

    def plant(self, whose: str, credentials: Json) -> None:
        self.planted |= {f"{name} of {whose}": text for name, text in credentials.items()}

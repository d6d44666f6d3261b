"""The state that the chapters of the demo share."""

from dataclasses import dataclass, field
from typing import Any

import httpx

from botkeys.client import BotClient
from examples.bot_process import BotProcess
from examples.service import DemoService
from examples.story import Json, Story


@dataclass(slots=True)
class Scene:
    """The state that the steps share. `planted` are the secrets that must appear nowhere."""

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

    async def call(
        self, method: str, path: str, body: Any = None, *, accept: str = "application/json"
    ) -> httpx.Response:
        """Make a call as Alice."""
        token = self.planted["token of Alice"]
        headers = {"Authorization": f"Bearer {token}", "Accept": accept}
        return await self.http.request(method, path, json=body, headers=headers)

    def client(self) -> BotClient:
        """Return the bot's client, configured as a bot would be."""
        return BotClient(
            self.service.runtime_url,
            self.bot_token,
            key_id=self.keys["okx"],
            exchange="okx",
            environment="testnet",
        )

    async def end(self) -> None:
        """End everything that was started here, whatever has happened."""
        if self.bot is not None:
            await self.bot.end()

    def plant(self, whose: str, credentials: Json) -> None:
        self.planted |= {f"{name} of {whose}": text for name, text in credentials.items()}

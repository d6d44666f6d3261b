"""The main job through the public API: a key, a bot, its token, and credentials that it opens."""

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx

from app.simulator import credentials
from botkeys.client import BotClient

Json = dict[str, Any]


def new_key(exchange: str = "okx", variant: str = "trade", **changes: Any) -> Json:
    return {
        "label": f"{exchange} {variant}",
        "exchange": exchange,
        "environment": "testnet",
        "contract_type": "linear",
        **credentials()[exchange]["testnet"][variant],
        **changes,
    }


def unchecked_key(number: int) -> Json:
    """Return a key that is not checked at an exchange, for services without a simulator."""
    return new_key(
        "binance",
        api_key=f"{number:064}",
        api_secret=f"secret{number:058}",
        verify=False,
        label=f"Key {number}",
    )


def sent(answer: httpx.Response, status: int) -> Json:
    assert answer.status_code == status, answer.text
    document: Json = answer.json()
    return document


@dataclass(frozen=True, slots=True)
class Trader:
    """A bot with a key. `secret` is what it must find when it opens its credentials."""

    key_id: str
    bot_id: str
    token: str
    secret: str

    async def opened(self, address: str) -> str:
        async with BotClient(address, self.token, key_id=self.key_id) as client:
            return (await client.credentials()).api_secret.reveal()

    def opens(self, address: str) -> bool:
        return asyncio.run(self.opened(address)) == self.secret


def new_trader(api: httpx.Client, runtime: httpx.Client, body: Json) -> Trader:
    """Create a bot; `api` and `runtime` are clients of the same user, perhaps at one process."""
    key = sent(api.post("/v1/keys", json=body), 201)
    bot = sent(api.post("/v1/bots", json={"name": "Grid BTC"}), 201)
    sent(api.put(f"/v1/bots/{bot['id']}/key", json={"key_id": key["id"]}), 200)
    token = sent(runtime.post(f"/v1/bots/{bot['id']}/token"), 201)["token"]
    return Trader(key["id"], bot["id"], token, body["api_secret"])

"""Keys with instruments to choose from, and trading assets for them."""

from typing import Any

import httpx

from tests.support.catalogue import OKX, instrument, list_instruments
from tests.support.world import Json, User, World

BTC = "BTC-USDT-SWAP"
ETH = "ETH-USDT-SWAP"
BODY = {"symbol": BTC, "leverage": "10"}


async def key_with_instruments(world: World, account: str = "alice", **changes: Any) -> Json:
    """Add an unchecked key of OKX whose catalogue has two instruments."""
    await list_instruments(world, OKX, instrument(BTC), instrument(ETH, max_leverage="50"))
    return await world.user(account).add_key(verify=False, **changes)


def assets_of(key: Json) -> str:
    return f"/v1/keys/{key['id']}/assets"


async def add_asset(user: User, key: Json, **changes: Any) -> Json:
    answer = await user.post(assets_of(key), {**BODY, **changes})
    assert answer.status_code == 201, answer.text
    document: Json = answer.json()
    return document


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]

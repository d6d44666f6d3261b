"""What a bot does with its key: sign an order for OKX, in a few lines.

https://www.okx.com/docs-v5/en/#overview-rest-authentication
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime

import httpx

from botkeys.client import ReleasedCredentials

_ORDER = "/api/v5/trade/order"


async def place_order(
    credentials: ReleasedCredentials,
    symbol: str,
    contracts: str,
    *,
    rest: str | None = None,
    side: str = "buy",
    margin_mode: str = "cross",
    reduce_only: bool = False,
) -> str:
    """Place a market order and return OKX's `code`, "0" for success.

    The host is `rest`, or the one that came with the credentials.
    """
    order: dict[str, str | bool] = {
        "instId": symbol,
        "tdMode": margin_mode,
        "side": side,
        "ordType": "market",
        "sz": contracts,
        "reduceOnly": reduce_only,
    }
    return await _send(credentials, credentials.api_secret.reveal(), order, rest)


async def place_order_with_wrong_secret(credentials: ReleasedCredentials, symbol: str) -> str:
    """Place an order with a wrong signature: an exchange that accepts it proves nothing."""
    order = {"instId": symbol, "tdMode": "cross", "side": "buy", "ordType": "market", "sz": "1"}
    return await _send(credentials, "0" * 32, order)


async def _send(
    credentials: ReleasedCredentials,
    api_secret: str,
    order: Mapping[str, str | bool],
    rest: str | None = None,
) -> str:
    body = json.dumps(order)
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    signed = f"{now}POST{_ORDER}{body}".encode()
    signature = hmac.new(api_secret.encode(), signed, hashlib.sha256).digest()
    passphrase = credentials.api_passphrase
    headers = {
        "Content-Type": "application/json",
        "OK-ACCESS-KEY": credentials.api_key.reveal(),
        "OK-ACCESS-SIGN": base64.b64encode(signature).decode("ascii"),
        "OK-ACCESS-TIMESTAMP": now,
        "OK-ACCESS-PASSPHRASE": "" if passphrase is None else passphrase.reveal(),
    }
    if credentials.environment == "testnet":
        headers["x-simulated-trading"] = "1"
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(
            f"{rest or credentials.endpoints.rest}{_ORDER}", headers=headers, content=body
        )
    return str(answer.json()["code"])

"""A simulator, and a client with signatures of its own: nothing here comes from the adapters."""

import base64
import hashlib
import hmac
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from app.simulator import Simulator, credentials

KEYS = credentials()


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1_795_000_000.0

    def __call__(self) -> float:
        return self.now

    @property
    def ms(self) -> int:
        return int(self.now * 1000)


def binance_query(secret: str, params: Mapping[str, Any]) -> str:
    query = urlencode(params)
    signature = hmac.new(secret.encode(), query.encode(), hashlib.sha256).hexdigest()
    return "&".join(part for part in (query, f"signature={signature}") if part)


def okx_headers(
    key: Mapping[str, str], now: float, method: str, target: str, body: str = ""
) -> dict[str, str]:
    stamp = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
    stamp = stamp.replace("+00:00", "Z")
    text = (stamp + method + target + body).encode()
    mac = hmac.new(key["api_secret"].encode(), text, hashlib.sha256).digest()
    return {
        "OK-ACCESS-KEY": key["api_key"],
        "OK-ACCESS-SIGN": base64.b64encode(mac).decode(),
        "OK-ACCESS-TIMESTAMP": stamp,
        "OK-ACCESS-PASSPHRASE": key["api_passphrase"],
    }


@dataclass
class Market:
    """Calls to a simulator: plain ones with `get`, signed ones by the variant of a key."""

    simulator: Simulator
    clock: Clock
    http: httpx.AsyncClient = field(repr=False)

    async def get(self, exchange: str, path: str, environment: str = "live") -> httpx.Response:
        header = {"x-simulated-trading": "1"} if environment == "testnet" else {}
        return await self.http.get(
            self.simulator.hosts[exchange][environment] + path, headers=header
        )

    async def binance(
        self,
        variant: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        environment: str = "live",
        host: str | None = None,
        method: str = "GET",
    ) -> httpx.Response:
        """Sign with a key of `environment` and send to the host of `host`, by default the same."""
        key = KEYS["binance"][environment][variant]
        query = binance_query(key["api_secret"], {**(params or {}), "timestamp": self.clock.ms})
        base = self.simulator.hosts["binance"][host or environment]
        return await self.http.request(
            method, f"{base}{path}?{query}", headers={"X-MBX-APIKEY": key["api_key"]}
        )

    async def okx(
        self,
        variant: str,
        target: str,
        body: str = "",
        *,
        environment: str = "live",
        host: str | None = None,
    ) -> httpx.Response:
        """Send like `binance`; a call with a body is a POST."""
        method = "POST" if body else "GET"
        key = KEYS["okx"][environment][variant]
        headers = okx_headers(key, self.clock.now, method, target, body)
        if (host or environment) == "testnet":
            headers["x-simulated-trading"] = "1"
        base = self.simulator.hosts["okx"]["live"]
        return await self.http.request(method, base + target, headers=headers, content=body)


def client() -> httpx.AsyncClient:
    """Return a client for loopback only: it reads no proxy settings and loads no certificates."""
    return httpx.AsyncClient(
        trust_env=False, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), timeout=60
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def market(clock: Clock) -> AsyncIterator[Market]:
    async with Simulator(clock=clock) as simulator, client() as http:
        yield Market(simulator, clock, http)

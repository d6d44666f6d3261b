"""A bot that trades through the signing proxy: what the service says, and what the bot sends."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx

from botkeys.client.errors import NoKey
from botkeys.client.models import BotConfig, ConfigAsset, ConfigKey
from botkeys.exchanges.model import ContractType, Credentials, Environment
from botkeys.sealing.secret import Secret
from botkeys.signing_proxy import SigningProxy

KEY_ID = UUID(int=7)


@dataclass(frozen=True)
class Held:
    """Credentials as a client holds them, with the key's exchange and environment."""

    api_key: Secret
    api_secret: Secret
    api_passphrase: Secret | None
    exchange: str
    environment: Environment


@dataclass
class Holder:
    """In place of a `BotClient`: a test sets what the service has sent, and how long ago."""

    given: Credentials | None
    newest_config: BotConfig | None
    config_age: float | None = 1.0
    exchange: str = "binance"
    environment: Environment = Environment.LIVE

    async def credentials(self) -> Held:
        if self.given is None:
            raise NoKey(status=404, code="no_key", detail="None.", request_id="", retry_after=None)
        parts = (self.given.api_key, self.given.api_secret, self.given.api_passphrase)
        return Held(*parts, self.exchange, self.environment)

    def set(self, **members: Any) -> None:
        """Change members of the configuration."""
        assert self.newest_config is not None
        self.newest_config = self.newest_config.model_copy(update=members)


@dataclass
class Bot:
    """A client and the proxy that signs for it."""

    proxy: SigningProxy
    http: httpx.AsyncClient

    @property
    def key(self) -> str:
        return self.proxy.placeholder.api_key

    @property
    def secret(self) -> str:
        return self.proxy.placeholder.api_secret


def asset(symbol: str, size: str = "1", **members: Any) -> ConfigAsset:
    usual: dict[str, Any] = {
        "symbol": symbol,
        "leverage": Decimal(10),
        "contract_size": Decimal(size),
        "may_open_positions": True,
    }
    return ConfigAsset(**{**usual, **members})


def config(exchange: str, contract_type: ContractType, *assets: ConfigAsset) -> BotConfig:
    key = ConfigKey(
        id=KEY_ID, exchange=exchange, environment="live", contract_type=contract_type, version=1
    )
    return BotConfig(version="1", may_open_positions=True, key=key, assets=assets)


def held(text: Mapping[str, str]) -> Credentials:
    passphrase = text.get("api_passphrase")
    return Credentials(
        Secret(text["api_key"]),
        Secret(text["api_secret"]),
        None if passphrase is None else Secret(passphrase),
    )


@dataclass
class Raw:
    """An answer to bytes that no client would send."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


async def send_raw(proxy: SigningProxy, sent: bytes) -> Raw:
    port = int(proxy.address.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    await writer.drain()
    try:
        return await _answer(reader, has_body=not sent.startswith(b"HEAD"))
    finally:
        writer.close()
        await writer.wait_closed()


async def _answer(reader: asyncio.StreamReader, *, has_body: bool) -> Raw:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    pairs = [line.partition(": ") for line in head[1:] if line]
    headers = {name.lower(): value for name, _, value in pairs}
    length = int(headers.get("content-length", "0")) if has_body else 0
    body = await reader.readexactly(length)
    return Raw(int(head[0].split(" ")[1]), headers, body)


def refused(answer: httpx.Response | Raw) -> str | None:
    return answer.headers.get("x-botkeys-refused")

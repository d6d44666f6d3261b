"""What the exchange answers passes as it is; what the proxy signs with may be a private key."""

import asyncio
import gzip
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from app.simulator import KeyText, Permission, SimulatedKey, Simulator, credentials
from botkeys.exchanges.model import ContractType, Credentials, Environment
from botkeys.exchanges.registry import simulated_hosts
from botkeys.sealing.secret import Secret
from botkeys.signing_proxy import SigningProxy, market
from tests.sdk.signing_proxy.trading import Holder, asset, config, held, refused

PACKED = gzip.compress(b"[1, 2, 3]" * 10_000)
BIG = bytes(range(256)) * 20_000


def chunked(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (*parts, b""))


@asynccontextmanager
async def before(answer: bytes) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client of a proxy before an exchange that sends these bytes, and closes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    part = market(
        "binance",
        "live",
        ContractType.LINEAR,
        hosts=simulated_hosts({"binance": {"live": address}}),
    )
    key = Credentials(Secret("k"), Secret("s"))
    holder = Holder(key, config("binance", ContractType.LINEAR, asset("BTCUSDT")))
    async with (
        server,
        SigningProxy(holder, "binance", part) as proxy,
        httpx.AsyncClient(base_url=proxy.address, trust_env=False, verify=False) as http,  # noqa: S501  # loopback
    ):
        http.headers["X-MBX-APIKEY"] = proxy.placeholder.api_key
        yield http


@pytest.mark.parametrize(
    ("head", "sent", "body"),
    [
        (b"Content-Encoding: gzip\r\nContent-Length: %d" % len(PACKED), PACKED, PACKED),
        (b"Content-Length: %d" % len(BIG), BIG, BIG),
        (b"Transfer-Encoding: chunked", chunked(BIG, b"x", PACKED), BIG + b"x" + PACKED),
        (b"Content-Length: 0", b"", b""),
        (b"Connection: close", BIG, BIG),
    ],
    ids=["packed", "big", "chunked", "empty", "until closed"],
)
async def test_an_answer_passes_unchanged(head: bytes, sent: bytes, body: bytes) -> None:
    extra = b"X-MBX-USED-WEIGHT-1M: 7\r\nRetry-After: 3\r\nSet-Cookie: a=b\r\n"
    answer = b"HTTP/1.1 429 Odd\r\n" + extra + head + b"\r\n\r\n" + sent
    async with (
        before(answer) as http,
        http.stream("GET", "/fapi/v3/balance") as response,
    ):
        received = b"".join([chunk async for chunk in response.aiter_raw()])
    assert response.status_code == 429
    assert received == body
    assert response.headers["x-mbx-used-weight-1m"] == "7"
    assert response.headers["retry-after"] == "3"
    assert response.headers.get("content-encoding") == ("gzip" if b"gzip" in head else None)
    assert refused(response) is None


async def test_an_answer_that_breaks_off_breaks_off_for_the_bot_too() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[1"
    async with before(answer) as http:
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get("/fapi/v3/balance")


async def test_an_order_without_an_answer_has_an_unknown_outcome() -> None:
    async with before(b"") as http:
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"}
        answer = await http.post("/fapi/v1/order", data=order)
        assert (refused(answer), answer.json()["code"]) == ("outcome_unknown", -1007)
        reading = await http.get("/fapi/v3/balance")
        assert refused(reading) == "exchange_unreachable"


def pem(key: object) -> tuple[str, str]:
    private = key.private_bytes(  # type: ignore[attr-defined]  # both kinds have it
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    public = key.public_key().public_bytes(  # type: ignore[attr-defined]
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


@pytest.mark.parametrize(
    "make", [Ed25519PrivateKey.generate, lambda: generate_private_key(65537, 2048)]
)
async def test_a_private_key_signs_for_a_bot_that_knows_hashes_alone(
    simulator: Simulator, make: Callable[[], object]
) -> None:
    private, public = pem(make())
    text = KeyText("p" * 64, "")
    rights = frozenset({Permission.READ, Permission.TRADE})
    simulator.keys.add(SimulatedKey("binance", "live", text, "pair", rights, public_key=public))
    part = market("binance", "live", ContractType.LINEAR, hosts=simulated_hosts(simulator.hosts))
    key = Credentials(Secret(text.api_key), Secret(private))
    holder = Holder(key, config("binance", ContractType.LINEAR, asset("BTCUSDT")))
    async with (
        SigningProxy(holder, "binance", part) as proxy,
        httpx.AsyncClient(base_url=proxy.address, trust_env=False, verify=False) as http,  # noqa: S501  # loopback
    ):
        held = proxy.placeholder
        order = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.002"
        given = f"{order}&timestamp={time.time_ns() // 10**6}"
        signature = hmac.new(held.api_secret.encode(), given.encode(), hashlib.sha256).hexdigest()
        answer = await http.post(
            "/fapi/v1/order",
            content=f"{given}&signature={signature}",
            headers={
                "X-MBX-APIKEY": held.api_key,
                "Content-Type": "application/x-www-form-urlencoded",
            },
        )
    assert answer.json()["status"] == "FILLED"


async def test_a_key_of_another_exchange_or_environment_is_sent_nowhere(
    simulator: Simulator,
) -> None:
    """R69: the bot gets another key while the proxy runs."""
    text = credentials()["binance"]["live"]["trade"]
    holder = Holder(held(text), config("binance", ContractType.LINEAR, asset("BTCUSDT")))
    part = market("binance", "live", ContractType.LINEAR, hosts=simulated_hosts(simulator.hosts))
    async with SigningProxy(holder, "binance", part) as proxy, httpx.AsyncClient() as http:
        headers = {"X-MBX-APIKEY": proxy.placeholder.api_key}
        url = f"{proxy.address}/fapi/v3/balance"
        assert (await http.get(url, headers=headers)).status_code == 200
        before = simulator.calls("binance", "live")
        for exchange, environment in (
            ("bybit", Environment.LIVE),
            ("binance", Environment.TESTNET),
        ):
            holder.exchange, holder.environment = exchange, environment
            answer = await http.get(url, headers=headers)
            assert answer.headers["x-botkeys-refused"] == "no_credentials"
        assert simulator.calls("binance", "live") == before
        holder.exchange, holder.environment = "binance", Environment.LIVE
        assert (await http.get(url, headers=headers)).status_code == 200

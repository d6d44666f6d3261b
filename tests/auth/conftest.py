"""A loopback issuer for the tests, and tokens signed with its keys."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import settings
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from app.auth.key_sets import FixedKeys
from app.auth.verifier import TokenVerifier
from botkeys.transport.client import HttpTransport, Rate, TransportLimits

NOW = 1_795_000_000
ISSUER = "https://issuer.example"
AUDIENCE = "botkeys"

SigningKey = RSAKey | ECKey | OKPKey

# A deadline per example would test how busy the machine is.
patient = settings(deadline=None)


class Clock:
    """A clock that advances only when asked to."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def ec_key(kid: str | None = "one") -> ECKey:
    return ECKey.generate_key("P-256", {"kid": kid} if kid else None)


def public(*keys: SigningKey) -> list[dict[str, Any]]:
    return [dict(key.as_dict(private=False)) for key in keys]


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def claims(**changes: Any) -> dict[str, Any]:
    """Return the claims of a valid token; a change to `None` leaves one out."""
    whole = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "alice",
        "iat": NOW,
        "exp": NOW + 300,
        "scope": "keys:read",
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def sign(
    key: SigningKey,
    payload: dict[str, Any],
    header: dict[str, Any] | None = None,
    algorithm: str = "ES256",
) -> str:
    whole = {"alg": algorithm, **({"kid": key.kid} if key.kid else {}), **(header or {})}
    return jwt.encode(whole, payload, key, algorithms=[algorithm])


def sign_bytes(key: ECKey, payload: bytes) -> str:
    """Sign a payload that need not be a JWT's."""
    return jws.serialize_compact({"alg": "ES256", "kid": key.kid}, payload, key)


def sign_segments(key: ECKey, header: bytes, payload: bytes) -> str:
    """Return a token with a header that no library would write, and a valid signature."""
    text = f"{base64url(header)}.{base64url(payload)}"
    der = key.get_op_key("sign").sign(text.encode(), ECDSA(SHA256()))
    r, s = decode_dss_signature(der)
    return f"{text}.{base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


class LoopbackIssuer:
    """A server with configurable responses, which records the requests it gets."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.keys: list[dict[str, Any]] = []
        self.body: bytes | None = None
        self.discovery: Any = None
        self.status = 200
        self.arrived = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.url = ""
        self._server: asyncio.Server | None = None
        self._conversations: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        for conversation in self._conversations:
            conversation.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)

    @property
    def jwks_url(self) -> str:
        return f"{self.url}/jwks"

    @property
    def key_requests(self) -> int:
        return self.asked.count("/jwks")

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversation = asyncio.ensure_future(self._serve(reader, writer))
        self._conversations.add(conversation)
        conversation.add_done_callback(self._conversations.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client disconnected, as in some tests
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ", 2)[1].decode()
        self.asked.append(path)
        self.arrived.set()
        await self.may_answer.wait()
        body = self._answer_to(path)
        writer.write(
            f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        writer.write(body)
        await writer.drain()

    def _answer_to(self, path: str) -> bytes:
        if path.endswith("/.well-known/openid-configuration"):
            default = {"issuer": self.url, "jwks_uri": self.jwks_url}
            return json.dumps(self.discovery or default).encode()
        return json.dumps({"keys": self.keys}).encode() if self.body is None else self.body


@pytest.fixture
async def issuer() -> AsyncIterator[LoopbackIssuer]:
    server = LoopbackIssuer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def transport() -> AsyncIterator[HttpTransport]:
    limits = TransportLimits(attempts=1, rate_per_host=Rate(1000, 1.0))
    async with HttpTransport(limits) as transport:
        yield transport


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def key() -> ECKey:
    return ec_key()


@pytest.fixture
def verifier(key: ECKey, clock: Clock) -> TokenVerifier:
    return make_verifier([key], clock)


def make_verifier(
    keys: Sequence[SigningKey],
    clock: Callable[[], float],
    algorithms: tuple[str, ...] = ("ES256",),
    account_claim: str = "sub",
    **options: Any,
) -> TokenVerifier:
    return TokenVerifier(
        ISSUER,
        AUDIENCE,
        algorithms,
        FixedKeys(keys),
        account_claim=account_claim,
        clock=clock,
        **options,
    )

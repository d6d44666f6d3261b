"""A miniature service: real custody behind two routes, and a switch for every wrong response."""

import base64
import json
import traceback
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.custody.bot_token import mint
from app.custody.master_key import MasterPrivateKey
from app.custody.release import Releaser
from app.custody.sealing import Sealer
from botkeys.exchanges.model import Credentials, Environment
from botkeys.sealing.binding import Binding
from botkeys.sealing.errors import SealingError
from botkeys.sealing.secret import Secret
from botkeys.sealing.suites import PublicKey, SuiteName
from botkeys.transport.client import ASGITransport, HttpTransport, Rate, TransportLimits

MASTER = MasterPrivateKey(1, bytes(range(32)))


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@dataclass
class Service:
    """A service that seals and responds. `lie` changes a response with credentials."""

    binding: Binding
    bot_id: UUID
    token: Secret
    credentials: Credentials
    lie: Callable[[dict[str, Any]], object] = lambda _: None
    problem: tuple[int, dict[str, Any] | bytes, dict[str, str]] | None = None
    config: dict[str, Any] = field(default_factory=dict)
    etag: str = '"1"'
    public_keys: list[bytes] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    @property
    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/runtime/credentials", self.release, methods=["POST"]),
                Route("/v1/runtime/config", self.answer_config, methods=["GET"]),
            ]
        )

    def refusal(self, request: Request) -> Response | None:
        if self.problem is not None:
            status, body, headers = self.problem
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            return Response(content, status, headers)
        if request.headers["authorization"] != f"Bearer {self.token.reveal()}":
            return JSONResponse({"code": "unauthenticated", "detail": "Who are you?"}, 401)
        return None

    async def release(self, request: Request) -> Response:
        refused = self.refusal(request)
        if refused is not None:
            return refused
        body = json.loads(await request.body())
        assert set(body) == {"suite", "public_key"}
        public_key = base64.urlsafe_b64decode(body["public_key"] + "===")
        self.public_keys.append(public_key)
        sealed = Sealer(MASTER.public).seal(self.credentials, self.binding)
        try:
            released = Releaser({1: MASTER}).release(
                sealed_data_key=sealed.sealed_data_key,
                master_key_version=1,
                binding=self.binding,
                bot_id=self.bot_id,
                recipient=PublicKey(SuiteName.parse(body["suite"]), public_key),
            )
        except SealingError as error:
            return JSONResponse({"code": "invalid_public_key", "detail": str(error)}, 422)
        answer = {
            "release_id": "0195b1c0-0000-7000-8000-00000000ffff",
            "account_id": str(self.binding.account_id),
            "bot_id": str(self.bot_id),
            "key_id": str(self.binding.key_id),
            "version": self.binding.version,
            "exchange": self.binding.exchange,
            "environment": self.binding.environment,
            "suite": body["suite"],
            "sealed_data_key": base64url(released),
            "nonce": base64url(sealed.nonce),
            "ciphertext": base64url(sealed.ciphertext),
            "endpoints": {"rest": "https://exchange.test", "websocket": None},
        }
        self.lie(answer)
        return JSONResponse(answer)

    async def answer_config(self, request: Request) -> Response:
        refused = self.refusal(request)
        if refused is None and request.headers.get("if-none-match") == self.etag:
            refused = Response(status_code=304, headers={"ETag": self.etag})
        response = refused or JSONResponse(self.config, headers={"ETag": self.etag})
        self.statuses.append(response.status_code)
        return response

    def replace_credentials(self, version: int) -> None:
        self.binding = replace(self.binding, version=version)
        self.config["key"]["version"] = version
        self.etag = f'"{version}-replaced"'


@pytest.fixture
def service() -> Service:
    return make_service()


def make_service(exchange: str = "okx") -> Service:
    binding = Binding(
        account_id=UUID("5d3f1bb2-8f64-5b39-9a0e-1f0a6f3e9c11"),
        key_id=UUID("0195b1c0-0000-7000-8000-0000000000aa"),
        version=3,
        exchange=exchange,
        environment=Environment.TESTNET,
    )
    bot_id = UUID("0195b1c0-0000-7000-8000-00000000b0b0")
    key = {
        "id": str(binding.key_id),
        "label": "Perps",
        "exchange": exchange,
        "environment": "testnet",
        "contract_type": "linear",
        "version": 3,
    }
    return Service(
        binding=binding,
        bot_id=bot_id,
        token=mint(binding.account_id, bot_id),
        credentials=Credentials(
            Secret("PLANTED-api-key"), Secret("PLANTED-api-secret"), Secret("PLANTED-passphrase")
        ),
        config={
            "version": 1,
            "may_open_positions": True,
            "blocked_by": [],
            "key": key,
            "endpoints": {"rest": "https://exchange.test", "websocket": None},
            "assets": [],
        },
    )


@pytest.fixture
async def transport(service: Service) -> AsyncIterator[HttpTransport]:
    limits = TransportLimits(attempts=1, rate_per_host=Rate(10_000, 1.0))
    async with HttpTransport(limits, transport=ASGITransport(service.app)) as transport:
        yield transport


@pytest.fixture
def with_locals() -> Callable[[BaseException], str]:
    """Return a function that renders an error's fullest traceback, without the test's own frame."""

    def show(error: BaseException) -> str:
        below = error.__traceback__.tb_next if error.__traceback__ else None
        shown = traceback.TracebackException(type(error), error, below, capture_locals=True)
        return "".join(shown.format())

    return show

"""The base of all simulated exchanges; each exchange's module adds its own format."""

import asyncio
import hmac
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import orjson

from app.simulator.faults import Fault, FaultKind, Faults, with_empty_lists, with_unknown_words
from app.simulator.http_server import Delivery, Request, Response
from app.simulator.ids import DEMO, LIVE
from app.simulator.keys import KeyStore, KeyText, Material, Permission, SimulatedKey
from app.simulator.market import Market

Clock = Callable[[], float]
"""Seconds since 1970, like `time.time`."""

JSON = "application/json;charset=UTF-8"
MAINTENANCE_PAGE = (
    b"<!DOCTYPE html><html><head><title>Be right back</title></head>"
    b"<body><h1>We are upgrading our systems</h1></body></html>"
)
FIREWALL_PAGE = (
    b"<!DOCTYPE html><html><head><title>403 Forbidden</title></head>"
    b"<body>The request could not be satisfied from your country.</body></html>"
)
_TESTNET_SHARE = 0.004


def digest(key: str, message: str, algorithm: str = "sha256") -> bytes:
    """Return the HMAC of a message as received, with a plain-text secret."""
    return hmac.digest(key.encode(), message.encode("latin-1"), algorithm)


def same(left: str, right: str) -> bool:
    """Compare signatures in constant time, whatever bytes the caller sent."""
    return hmac.compare_digest(left.encode(), right.encode())


def html(status: int, body: bytes = MAINTENANCE_PAGE) -> Response:
    return Response(status, body, {"content-type": "text/html"})


class Refusal(Exception):
    """The exchange refuses a request with `response`."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


@dataclass(frozen=True, slots=True)
class Call:
    """One request on its way to a handler. `params` are the named parts of the route's path."""

    request: Request
    now_ms: int
    params: Mapping[str, str]
    key: SimulatedKey | None

    @property
    def at(self) -> float:
        return self.now_ms / 1000

    @property
    def signer(self) -> SimulatedKey:
        """Return the key of a signed call."""
        if self.key is None:
            raise LookupError("this route is public")
        return self.key


@dataclass(frozen=True, slots=True)
class Route:
    """A path with `{named}` parts. `needs` is the required permission; None needs no key.

    A handler returns the content of the exchange's envelope, or a whole `Response`.
    """

    method: str
    path: str
    handler: Callable[[Call], Any]
    needs: Permission | None = None
    weight: int = 1

    def match(self, path: str) -> dict[str, str] | None:
        ours, theirs = self.path.split("/"), path.split("/")
        if len(ours) != len(theirs):
            return None
        params = {}
        for part, actual in zip(ours, theirs, strict=True):
            if part.startswith("{"):
                params[part[1:-1]] = actual
            elif part != actual:
                return None
        return params


@dataclass(slots=True)
class World:
    """What the venues of one simulator share. `perpetuals` is the length of each listing."""

    seed: str
    clock: Clock
    keys: KeyStore
    faults: Faults
    perpetuals: int
    started_ms: int
    calls: Counter[tuple[str, str, str]] = field(default_factory=Counter)


class Venue(ABC):
    """One exchange in one environment. A subclass expresses everything in its exchange's format.

    `one_port`: both environments share a port, and `environment_of` distinguishes them.
    `enum_fields`: names of the fields whose values come from a closed list.
    """

    exchange: ClassVar[str]
    one_port: ClassVar[bool] = False
    enum_fields: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, world: World, environment: str) -> None:
        self.world = world
        self.environment = environment
        # Demo Trading shows the prices of the main site.
        priced = LIVE if environment == DEMO else environment
        share = 0.3 if priced == LIVE else _TESTNET_SHARE
        self.market = Market(world.seed, f"{self.exchange} {priced}", share=share)
        self._table = tuple(self.routes())

    @staticmethod
    @abstractmethod
    def key_text(material: Material) -> KeyText:
        """Return a key in this exchange's format."""

    @abstractmethod
    def routes(self) -> Sequence[Route]: ...

    @abstractmethod
    def authenticate(self, request: Request, now_ms: int) -> SimulatedKey:
        """Return the key that signed the request; raise `Refusal`."""

    @abstractmethod
    def forbidden(self, key: SimulatedKey, request: Request) -> Refusal:
        """Return the refusal of a valid key without the needed permission."""

    @abstractmethod
    def refused(self, status: int, code: str, message: str) -> Response:
        """Return a refusal with any of the exchange's codes, or none of them."""

    @abstractmethod
    def rate_limited(self, retry_after: int | None) -> Response: ...

    @abstractmethod
    def server_error(self, status: int) -> Response: ...

    @staticmethod
    def environment_of(request: Request) -> str:
        """Return the environment that a request means, if both share a port."""
        raise NotImplementedError

    def envelope(self, payload: Any, call: Call) -> Any:
        """Return the payload of a success in the exchange's envelope."""
        del call
        return payload

    def headers(self, call: Call, route: Route) -> Mapping[str, str]:
        """Return the headers of every response to a known route."""
        del call, route
        return {}

    def banned(self, retry_after: int | None) -> Response:
        """Return 418, a status of Binance's own, as if through a proxy for the others."""
        seconds = 120 if retry_after is None else retry_after
        return Response(418, b"", {"retry-after": str(seconds)})

    def not_found(self, request: Request) -> Response:
        del request
        return html(404, b"<html><head><title>404 Not Found</title></head></html>")

    def wrong_method(self, request: Request) -> Response:
        del request
        return html(405, b"<html><head><title>405 Not Allowed</title></head></html>")

    async def answer(self, request: Request) -> Response:
        """Respond as the exchange would, or with the failure that a fault demands."""
        world = self.world
        world.calls[self.exchange, self.environment, request.path] += 1
        fault = world.faults.take(self.exchange, self.environment, request.path)
        if fault is None:
            return self._serve(request, None)
        if fault.kind is FaultKind.SLOW:
            await asyncio.sleep(fault.seconds)
            return self._serve(request, None)
        return self._fail(fault) or self._spoil(self._serve(request, fault), fault)

    def _fail(self, fault: Fault) -> Response | None:
        """Return a failure that does not depend on the request."""
        failures: dict[FaultKind, Callable[[], Response]] = {
            FaultKind.RATE_LIMITED: lambda: self.rate_limited(fault.retry_after),
            FaultKind.BANNED: lambda: self.banned(fault.retry_after),
            FaultKind.REFUSED: lambda: self.refused(fault.status, fault.code, fault.message),
            FaultKind.FIREWALL: lambda: html(fault.status, FIREWALL_PAGE),
            FaultKind.SERVER_ERROR: lambda: self.server_error(fault.status),
            FaultKind.HTML: lambda: html(200),
            FaultKind.CUT: lambda: Response(200, delivery=Delivery.NOTHING),
        }
        failure = failures.get(fault.kind)
        return None if failure is None else failure()

    @staticmethod
    def _spoil(response: Response, fault: Fault) -> Response:
        """Return a correct response that is damaged in transit."""
        if fault.kind is FaultKind.CUT_BODY:
            return Response(response.status, response.body, response.headers, Delivery.HALF)
        if fault.kind is FaultKind.TRUNCATED:
            half = response.body[: len(response.body) // 2]
            return Response(response.status, half, response.headers)
        return response

    def _serve(self, request: Request, fault: Fault | None) -> Response:
        known = [(r, found) for r in self._table if (found := r.match(request.path)) is not None]
        if not known:
            return self.not_found(request)
        route, params = next(
            ((r, found) for r, found in known if r.method == request.method), (None, {})
        )
        if route is None:
            return self.wrong_method(request)
        now_ms = int(self.world.clock() * 1000)
        call = Call(request, now_ms, params, None)
        extra = self.headers(call, route)
        try:
            payload = self._handle(call, route)
        except Refusal as refusal:
            response = refusal.response
        else:
            response = (
                payload if isinstance(payload, Response) else self._response(call, payload, fault)
            )
        return Response(response.status, response.body, {**extra, **response.headers})

    def _handle(self, call: Call, route: Route) -> Any:
        if route.needs is None:
            return route.handler(call)
        key = self.authenticate(call.request, call.now_ms)
        if not self.permits(key, route.needs, call.now_ms):
            raise self.forbidden(key, call.request)
        return route.handler(Call(call.request, call.now_ms, call.params, key))

    def permits(self, key: SimulatedKey, needed: Permission, now_ms: int) -> bool:
        return key.may(needed, now_ms)

    def _response(self, call: Call, payload: Any, fault: Fault | None) -> Response:
        if fault is not None and fault.kind is FaultKind.UNKNOWN_WORDS:
            payload = with_unknown_words(payload, self.enum_fields)
        if fault is not None and fault.kind is FaultKind.EMPTY_LIST:
            payload = with_empty_lists(payload)
        return self.json(200, self.envelope(payload, call))

    @staticmethod
    def json(status: int, payload: Any, headers: Mapping[str, str] | None = None) -> Response:
        return Response(status, orjson.dumps(payload), {"content-type": JSON, **(headers or {})})

    @property
    def is_live(self) -> bool:
        return self.environment == LIVE

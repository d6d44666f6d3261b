"""What all simulated exchanges have in common; each of them adds a module with its own words."""

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
from app.simulator.ids import LIVE, TESTNET
from app.simulator.keys import KeyStore, KeyText, Material, Permission, SimulatedKey
from app.simulator.market import Market

Clock = Callable[[], float]
"""Seconds since 1970, as `time.time` tells them."""

JSON = "application/json;charset=UTF-8"
MAINTENANCE_PAGE = (
    b"<!DOCTYPE html><html><head><title>Be right back</title></head>"
    b"<body><h1>We are upgrading our systems</h1></body></html>"
)
_TESTNET_SHARE = 0.004


def digest(key: str, message: str, algorithm: str = "sha256") -> bytes:
    """HMAC over a message as received, under a secret that is plain text."""
    return hmac.digest(key.encode(), message.encode("latin-1"), algorithm)


def same(left: str, right: str) -> bool:
    """Compare signatures in constant time, whatever bytes the caller sent."""
    return hmac.compare_digest(left.encode(), right.encode())


def html(status: int, body: bytes = MAINTENANCE_PAGE) -> Response:
    return Response(status, body, {"content-type": "text/html"})


class Refusal(Exception):
    """The exchange says no, in the words of `response`."""

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
        """The key of a signed call."""
        if self.key is None:
            raise LookupError("this route is public")
        return self.key


@dataclass(frozen=True, slots=True)
class Route:
    """A path with `{named}` parts. `needs` is what the key must permit; without it, no key at all.

    A handler returns what the exchange would put into its envelope, or a whole `Response`.
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
    """One exchange in one environment. A subclass says everything in its exchange's own words.

    `one_port`: both environments share a port, and `environment_of` tells them apart.
    `enum_fields`: names of the fields whose values come from a closed list.
    """

    exchange: ClassVar[str]
    one_port: ClassVar[bool] = False
    enum_fields: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, world: World, environment: str) -> None:
        self.world = world
        self.environment = environment
        share = 0.3 if environment == LIVE else _TESTNET_SHARE
        self.market = Market(world.seed, f"{self.exchange} {environment}", share=share)
        self._table = tuple(self.routes())

    @staticmethod
    @abstractmethod
    def key_text(material: Material) -> KeyText:
        """A key in this exchange's shape."""

    @abstractmethod
    def routes(self) -> Sequence[Route]: ...

    @abstractmethod
    def authenticate(self, request: Request, now_ms: int) -> SimulatedKey:
        """The key that signed the request; raises `Refusal`."""

    @abstractmethod
    def forbidden(self, key: SimulatedKey, request: Request) -> Refusal:
        """The key is right and may not do this."""

    @abstractmethod
    def rate_limited(self, retry_after: int | None) -> Response: ...

    @abstractmethod
    def server_error(self, status: int) -> Response: ...

    @staticmethod
    def environment_of(request: Request) -> str:
        """Which environment a request means, where both share a port."""
        raise NotImplementedError

    def envelope(self, payload: Any, call: Call) -> Any:
        """What the exchange wraps around the payload of a success."""
        del call
        return payload

    def headers(self, call: Call, route: Route) -> Mapping[str, str]:
        """Headers of every answer to a known route."""
        del call, route
        return {}

    def banned(self, retry_after: int | None) -> Response:
        """418: a word of Binance's own, which others would speak through a proxy at most."""
        seconds = 120 if retry_after is None else retry_after
        return Response(418, b"", {"retry-after": str(seconds)})

    def not_found(self, request: Request) -> Response:
        del request
        return html(404, b"<html><head><title>404 Not Found</title></head></html>")

    def wrong_method(self, request: Request) -> Response:
        del request
        return html(405, b"<html><head><title>405 Not Allowed</title></head></html>")

    async def answer(self, request: Request) -> Response:
        """Answer as the exchange would, or as badly as a fault asks for."""
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
        """An answer that does not depend on the question."""
        if fault.kind is FaultKind.RATE_LIMITED:
            return self.rate_limited(fault.retry_after)
        if fault.kind is FaultKind.BANNED:
            return self.banned(fault.retry_after)
        if fault.kind is FaultKind.SERVER_ERROR:
            return self.server_error(fault.status)
        if fault.kind is FaultKind.HTML:
            return html(200)
        if fault.kind is FaultKind.CUT:
            return Response(200, delivery=Delivery.NOTHING)
        return None

    @staticmethod
    def _spoil(response: Response, fault: Fault) -> Response:
        """A right answer that goes wrong on its way."""
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
        if not key.may(route.needs, call.now_ms):
            raise self.forbidden(key, call.request)
        return route.handler(Call(call.request, call.now_ms, call.params, key))

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
        return self.environment != TESTNET

"""All simulated exchanges, running for as long as the context lasts."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from app.simulator import ids as names
from app.simulator.credentials import key_texts
from app.simulator.faults import Faults
from app.simulator.http_server import LOOPBACK, Handler, HttpServer, Request, Response
from app.simulator.keys import DEFAULT_SEED, KeyStore, issue
from app.simulator.ports import Ports
from app.simulator.registered import RegisteredKeys
from app.simulator.venue import Clock, Venue, World
from app.simulator.venues import VENUES

_LONG = ("bybit", "testnet")


class Simulator:
    """Simulated exchanges, in the event loop that enters the context.

    They listen on free loopback ports, unless `ports` fixes them and `host` names another address.

    `seed` determines keys and prices, `clock` the time there (seconds since 1970). `faults` are the
    initial failures. `perpetuals` is how many trading perpetuals each exchange lists for each
    contract type, without irregular rows; at least two. Bybit's testnet, whose pages hold 1,000,
    lists `long_listing` instead, so that clients must follow pages.

    `registered` is the file of public keys that `RegisteredKeys` registers.

    While it runs, `hosts` maps exchange and environment to a base address, `keys` holds the known
    keys, and `faults` may be set and cleared.
    """

    def __init__(
        self,
        seed: str = DEFAULT_SEED,
        *,
        clock: Clock = time.time,
        faults: Faults | None = None,
        perpetuals: int = 40,
        long_listing: int = 3_000,
        registered: Path | None = None,
        host: str = LOOPBACK,
        ports: Ports | None = None,
    ) -> None:
        self._host = host
        self._ports = ports
        self.faults = Faults() if faults is None else faults
        self.keys = KeyStore(
            elsewhere=None if registered is None else RegisteredKeys(registered).find
        )
        self._hosts: dict[str, dict[str, str]] = {}
        self._servers: list[HttpServer] = []
        now_ms = int(clock() * 1000)
        self._world = World(seed, clock, self.keys, self.faults, perpetuals, now_ms)
        self._venues: dict[str, dict[str, Venue]] = {}
        for exchange, venue in VENUES.items():
            self._venues[exchange] = {
                name: venue(
                    replace(self._world, perpetuals=long_listing)
                    if (exchange, name) == _LONG
                    else self._world,
                    name,
                )
                for name in names.places(exchange)
            }
            for environment in names.places(exchange):
                texts = key_texts(seed, exchange, environment)
                for key in issue(seed, exchange, environment, texts, now_ms):
                    self.keys.add(key)

    @property
    def hosts(self) -> Mapping[str, Mapping[str, str]]:
        """Return `{exchange: {environment: "http://127.0.0.1:PORT"}}`; empty before the start.

        Bybit's Demo Trading stands beside the environments as `demo`.
        """
        return self._hosts

    def calls(self, exchange: str, environment: str, path: str = "") -> int:
        """Return the number of requests whose path starts with `path`, failed ones included."""
        names.check(exchange, environment)
        return sum(
            number
            for (which, where, called), number in self._world.calls.items()
            if (which, where) == (exchange, environment) and called.startswith(path)
        )

    def paths(self, exchange: str, environment: str) -> Mapping[str, int]:
        """Return how often each path was called, failed calls included."""
        names.check(exchange, environment)
        return {
            called: number
            for (which, where, called), number in self._world.calls.items()
            if (which, where) == (exchange, environment)
        }

    async def __aenter__(self) -> Self:
        try:
            for exchange, venues in self._venues.items():
                self._hosts[exchange] = await self._open(exchange, venues)
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._close()

    async def _open(self, exchange: str, venues: Mapping[str, Venue]) -> dict[str, str]:
        ports = dict.fromkeys(venues, 0) if self._ports is None else self._ports[exchange]
        name, one = next(iter(venues.items()))
        if one.one_port:
            address = await self._listen(_by_header(venues), ports[name])
            return dict.fromkeys(venues, address)
        return {
            name: await self._listen(venue.answer, ports[name]) for name, venue in venues.items()
        }

    async def _listen(self, handler: Handler, port: int) -> str:
        server = HttpServer(handler, self._host, port)
        self._servers.append(server)
        return await server.start()

    async def _close(self) -> None:
        await asyncio.gather(*(server.stop() for server in self._servers))
        self._servers.clear()
        self._hosts.clear()


def _by_header(venues: Mapping[str, Venue]) -> Handler:
    choose = next(iter(venues.values())).environment_of

    async def answer(request: Request) -> Response:
        return await venues[choose(request)].answer(request)

    return answer

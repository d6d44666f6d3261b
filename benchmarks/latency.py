"""Latency against offered load: what callers wait, at rates up to more than a process does."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.fleet import FleetBot, make_fleet
from benchmarks.installation import Installation
from benchmarks.list_keys import fill
from benchmarks.load import LoadRequest
from benchmarks.open_loop import AtRate, OpenLoad
from benchmarks.rounds import Effort, Side
from benchmarks.runtime import release_request
from benchmarks.server import Server
from botkeys.sealing.suites import PrivateKey, SuiteName

BOTS = 100
_QUICK_BOTS = 20
_ACCOUNT = "latency"
_PARTS = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5)
"""Offered rates, of what sixteen connections without a pause achieve."""

_QUICK_PARTS = (0.3, 0.8, 1.5)
_PROBE = Effort(warm_up=0.3, seconds=1.0)
_QUICK_PROBE = Effort(warm_up=0.1, seconds=0.4)
_NOT_MODIFIED = 304


@dataclass(frozen=True, slots=True)
class Curve:
    """One kind of request. `capacity` is its closed loop's rate, requests a second."""

    name: str
    capacity: float
    points: list[AtRate]

    @property
    def sustained(self) -> float:
        """Return the highest rate that was answered in time; 0 if even the lowest was not."""
        return max((point.offered for point in self.points if point.keeps_up), default=0.0)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "sustained": self.sustained}


def measure_latency(installation: Installation, *, quick: bool = False) -> list[Curve]:
    """Measure one process of the role `runtime`, and one of the role `api` for the list."""
    parts, seconds, probe = (_QUICK_PARTS, 0.5, _QUICK_PROBE) if quick else (_PARTS, 1.2, _PROBE)
    with installation.service("runtime") as runtime, installation.service("api") as api:
        token = installation.token(_ACCOUNT)
        fill(api, token)
        fleet = make_fleet(installation, api, runtime, _QUICK_BOTS if quick else BOTS)
        kinds = [
            ("list 50 keys", Side(api, [LoadRequest("/v1/keys", token)])),
            ("get config (304)", Side(runtime, _configs(runtime, fleet), _NOT_MODIFIED)),
            ("heartbeat", Side(runtime, [bot.asks("heartbeat", method="POST") for bot in fleet])),
            ("release of credentials", Side(runtime, _releases(fleet))),
        ]
        return [_curve(name, side, parts, seconds, probe) for name, side in kinds]


def _configs(runtime: Server, fleet: Sequence[FleetBot]) -> list[LoadRequest]:
    asking = []
    for bot in fleet:
        version = runtime.call("GET", "/v1/runtime/config", bot.token)["version"]
        asking.append(bot.asks("config", headers={"If-None-Match": f'"{version}"'}))
    return asking


def _releases(fleet: Sequence[FleetBot]) -> list[LoadRequest]:
    body = release_request(PrivateKey.generate(SuiteName.MLKEM768_X25519))
    return [bot.asks("credentials", method="POST", body=body) for bot in fleet]


def _curve(name: str, side: Side, parts: Sequence[float], seconds: float, probe: Effort) -> Curve:
    capacity = side.measure(probe).per_second
    rates = [part * capacity for part in parts]
    load = OpenLoad(
        side.server.port, list(side.requests), rates, seconds, warm_up=0.4, status=side.status
    )
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks.open_loop"],
        input=load.to_json().encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    return Curve(name, capacity, [AtRate(**one) for one in json.loads(answer.stdout)])

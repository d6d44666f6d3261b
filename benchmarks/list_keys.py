"""List 50 keys, 25 of them with a bot: requests per second, as a part of the floor's."""

from dataclasses import dataclass
from statistics import median

from benchmarks.installation import Installation
from benchmarks.load import Load, Measured
from benchmarks.report import Row
from benchmarks.server import Server

KEYS = 50
CONNECTIONS = 16
BUDGET = 0.6
MEMORY_BUDGET = 150
_PATH = "/v1/keys"


class DifferentAnswers(Exception):
    """Floor and service do not do the same work, so no ratio of theirs means anything."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure: rounds of floor and service in turn, seconds of each."""

    rounds: int = 7
    warm_up: float = 1.0
    seconds: float = 3.0


def fill(service: Server, token: str) -> None:
    """An account with 50 keys, every second one assigned; through the API, like anybody's."""
    for number in range(KEYS):
        key = service.call(
            "POST",
            _PATH,
            token,
            {
                "label": f"Key {number:02}",
                "exchange": "binance",
                "environment": "live" if number % 2 else "testnet",
                "contract_type": "linear",
                "api_key": f"{number:064}",
                "api_secret": f"secret{number:058}",
                "verify": False,
            },
        )
        if number % 2:
            bot = service.call("POST", "/v1/bots", token, {"name": f"Bot {number:02}"})
            service.call("PUT", f"/v1/bots/{bot['id']}/key", token, {"key_id": key["id"]})


def measure(installation: Installation, effort: Effort) -> list[Row]:
    """The ratio, and the memory of the service's process after this load.

    The two are loaded in turn, so that whatever else the machine does meets both; while one is
    measured the other is stopped. The ratio is the median of the rounds' own ratios.
    """
    with installation.service() as service, installation.floor() as floor:
        token = installation.token()
        fill(service, token)
        compare(service, floor, token)
        rounds = [_round(service, floor, token, effort) for _ in range(effort.rounds)]
        ratios = [one.per_second / bare.per_second for bare, one in rounds]
        memory = service.resident_mib()
    bare, one = (list(measured) for measured in zip(*rounds, strict=True))
    return [
        Row(
            name=f"list {KEYS} keys",
            value=median(ratios),
            unit="of the floor",
            kind="at least",
            budget=BUDGET,
            details={
                "service": _told(one),
                "floor": _told(bare),
                "rounds": " ".join(f"{ratio:.2f}" for ratio in ratios),
                "bytes": one[0].body_bytes,
            },
        ),
        Row(
            name="memory of an api process after load",
            value=memory,
            unit="MiB",
            kind="at most",
            budget=MEMORY_BUDGET,
            details={"requests": sum(measured.requests for measured in one)},
        ),
    ]


def compare(service: Server, floor: Server, token: str) -> None:
    """Raises `DifferentAnswers` unless both tell the same of all keys."""
    answers = service.call("GET", _PATH, token), floor.call("GET", _PATH, "")
    if answers[0] != answers[1] or len(answers[0]["items"]) != KEYS:
        raise DifferentAnswers


def _round(service: Server, floor: Server, token: str, effort: Effort) -> tuple[Measured, Measured]:
    service.pause()
    bare = floor.measure(_load(floor, "", effort))
    service.go_on()
    floor.pause()
    one = service.measure(_load(service, token, effort))
    floor.go_on()
    return bare, one


def _load(server: Server, token: str, effort: Effort) -> Load:
    return Load(server.port, _PATH, token, CONNECTIONS, effort.warm_up, effort.seconds)


def _told(measured: list[Measured]) -> str:
    per_second = median(one.per_second for one in measured)
    p50, p99 = median(one.p50 for one in measured), median(one.p99 for one in measured)
    return f"{per_second:.0f}/s (p50 {p50:.1f} ms, p99 {p99:.1f} ms)"

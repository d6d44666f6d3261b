"""Listing 50 keys, 25 of them with a bot: requests per second, as a fraction of the floor's."""

from benchmarks.installation import Installation
from benchmarks.load import LoadRequest
from benchmarks.report import Row
from benchmarks.rounds import DifferentAnswers, Effort, Side, in_turn
from benchmarks.server import Server

KEYS = 50
BUDGET = 0.85
MEMORY_BUDGET = 150
_PATH = "/v1/keys"


def fill(service: Server, token: str) -> None:
    """Create an account with 50 keys, every second one assigned, through the API."""
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
    """Return the ratio, and the memory of the service's process after this load."""
    with installation.service() as service, installation.floor() as floor:
        token = installation.token()
        fill(service, token)
        compare(service, floor, token)
        rounds = in_turn(
            Side(service, [LoadRequest(_PATH, token)]),
            Side(floor, [LoadRequest(_PATH)]),
            effort,
            BUDGET,
        )
        memory = service.resident_mib()
    return [
        rounds.row(f"list {KEYS} keys", BUDGET, bytes=rounds.service[0].body_bytes),
        Row(
            name="memory of an api process after load",
            value=memory,
            unit="MiB",
            kind="at most",
            budget=MEMORY_BUDGET,
            details={"requests": sum(measured.requests for measured in rounds.service)},
        ),
    ]


def compare(service: Server, floor: Server, token: str) -> None:
    """Raise `DifferentAnswers` unless both return the same for all keys."""
    answers = service.call("GET", _PATH, token), floor.call("GET", _PATH, "")
    if answers[0] != answers[1] or len(answers[0]["items"]) != KEYS:
        raise DifferentAnswers

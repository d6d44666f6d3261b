"""What bots request all day, relative to what the floor achieves."""

import json
from collections.abc import Sequence
from typing import Any

from benchmarks.fleet import SYMBOL, FleetBot, make_fleet
from benchmarks.installation import Installation
from benchmarks.load import UNIQUE, LoadRequest
from benchmarks.report import Row
from benchmarks.rounds import DifferentAnswers, Effort, Side, in_turn, rate_text
from benchmarks.server import Server
from botkeys import base64url
from botkeys.client.models import ReleaseAnswer
from botkeys.client.unsealing import open_release
from botkeys.sealing.suites import PrivateKey, SuiteName

BOTS = 200
CONFIG_BUDGET = 1.0
HEARTBEAT_BUDGET = 1.0
OPENING_BUDGET = 0.75
RELEASE_BUDGET = 0.75
OPENING = {"revision": 1, "symbol": SYMBOL, "side": "long", "status": "opening", "quantity": "1"}
_NOT_MODIFIED = 304


def measure(installation: Installation, effort: Effort, bots: int = BOTS) -> list[Row]:
    """Measure the requests of a fleet to one process of the role `runtime`."""
    with installation.service("runtime") as service, installation.floor() as floor:
        with installation.service("api") as api:
            fleet = make_fleet(installation, api, service, bots)
        return [
            measure_config(service, floor, fleet, effort),
            measure_heartbeat(service, floor, fleet, effort),
            measure_opening(service, floor, fleet, effort),
            measure_release(service, floor, fleet, effort),
        ]


def measure_config(
    service: Server, floor: Server, fleet: Sequence[FleetBot], effort: Effort
) -> Row:
    """Measure each bot's check whether its configuration, of five assets, is still current."""
    compare_configs(service, floor, fleet[0])
    requests, floor_requests = [], []
    for bot in fleet:
        config = service.call("GET", "/v1/runtime/config", bot.token)
        headers = {"If-None-Match": f'"{config["version"]}"'}
        requests.append(bot.asks("config", headers=headers))
        floor_requests.append(bot.asks_floor("config", headers=headers))
    rounds = in_turn(
        Side(service, requests, _NOT_MODIFIED),
        Side(floor, floor_requests, _NOT_MODIFIED),
        effort,
        CONFIG_BUDGET,
    )
    return rounds.row("get config (304)", CONFIG_BUDGET, bots=len(fleet))


def compare_configs(service: Server, floor: Server, bot: FleetBot) -> None:
    """Raise `DifferentAnswers` unless both return the same for a bot that trades."""
    answers = _both(service, floor, bot.asks("config"), bot.asks_floor("config"))
    if answers[0] != answers[1] or not answers[0]["may_open_positions"]:
        raise DifferentAnswers


def measure_heartbeat(
    service: Server, floor: Server, fleet: Sequence[FleetBot], effort: Effort
) -> Row:
    """Measure each bot's heartbeat in turn; each is stored before its response.

    The floor batches heartbeats as the service does. Its speed without batching is reported too.
    """
    for bot in fleet:
        # A bot's first heartbeat creates its row, on both sides alike.
        compare_heartbeats(service, floor, bot)
    requests = [bot.asks("heartbeat", method="POST") for bot in fleet]
    together = Side(floor, [bot.asks_floor("heartbeat", method="POST") for bot in fleet])
    alone = Side(floor, [bot.asks_floor("heartbeat-alone", method="POST") for bot in fleet])
    rounds = in_turn(Side(service, requests), together, effort, HEARTBEAT_BUDGET)
    one_by_one = alone.measure(effort)
    return rounds.row(
        "heartbeat",
        HEARTBEAT_BUDGET,
        bots=len(fleet),
        **{"floor that stores each by itself": rate_text([one_by_one])},
    )


def compare_heartbeats(service: Server, floor: Server, bot: FleetBot) -> None:
    """Raise `DifferentAnswers` unless both return the same version."""
    more = {"method": "POST"}
    answers = _both(
        service, floor, bot.asks("heartbeat", **more), bot.asks_floor("heartbeat", **more)
    )
    if answers[0] != answers[1] or not answers[0]["may_open_positions"]:
        raise DifferentAnswers


def measure_opening(
    service: Server, floor: Server, fleet: Sequence[FleetBot], effort: Effort
) -> Row:
    """Measure each bot's request in turn for permission to open a new position."""
    compare_openings(service, floor, fleet[0])
    path, body = f"positions/{UNIQUE}", json.dumps(OPENING)
    requests = [bot.asks(path, method="PUT", body=body) for bot in fleet]
    floor_requests = [bot.asks_floor(path, method="PUT", body=body) for bot in fleet]
    rounds = in_turn(Side(service, requests), Side(floor, floor_requests), effort, OPENING_BUDGET)
    return rounds.row("opening a position", OPENING_BUDGET, bots=len(fleet))


def compare_openings(service: Server, floor: Server, bot: FleetBot) -> None:
    """Raise `DifferentAnswers` unless both have reserved the same and respond alike."""
    more = {"method": "PUT", "body": json.dumps(OPENING)}
    answers = _both(
        service,
        floor,
        bot.asks("positions/of-service", **more),
        bot.asks_floor("positions/of-floor", **more),
    )
    own = {"id", "expires_at", "created_at", "updated_at"}
    same = [
        {name: value for name, value in answer.items() if name not in own} for answer in answers
    ]
    if same[0] != same[1] or answers[0].keys() != answers[1].keys():
        raise DifferentAnswers


def measure_release(
    service: Server, floor: Server, fleet: Sequence[FleetBot], effort: Effort
) -> Row:
    """Measure each bot's release of credentials, recorded before it is made."""
    one_time_key = PrivateKey.generate(SuiteName.MLKEM768_X25519)
    compare_releases(service, floor, fleet[0], one_time_key)
    body = release_request(one_time_key)
    requests = [bot.asks("credentials", method="POST", body=body) for bot in fleet]
    floor_requests = [bot.asks_floor("credentials", method="POST", body=body) for bot in fleet]
    rounds = in_turn(Side(service, requests), Side(floor, floor_requests), effort, RELEASE_BUDGET)
    return rounds.row("release of credentials", RELEASE_BUDGET, bots=len(fleet))


def compare_releases(
    service: Server, floor: Server, bot: FleetBot, one_time_key: PrivateKey
) -> None:
    """Raise `DifferentAnswers` unless the bot can open both responses and finds the same key."""
    more = {"method": "POST", "body": release_request(one_time_key)}
    answers = _both(
        service, floor, bot.asks("credentials", **more), bot.asks_floor("credentials", **more)
    )
    opened = [
        open_release(one_time_key, ReleaseAnswer.model_validate(answer)).api_key.reveal()
        for answer in answers
    ]
    same = [{**answer, "release_id": "", "sealed_data_key": ""} for answer in answers]
    if same[0] != same[1] or opened[0] != opened[1]:
        raise DifferentAnswers


def release_request(one_time_key: PrivateKey) -> str:
    public = base64url.encode(one_time_key.public.raw)
    return json.dumps({"suite": SuiteName.MLKEM768_X25519, "public_key": public})


def _both(
    service: Server, floor: Server, requests: LoadRequest, floor_requests: LoadRequest
) -> list[Any]:
    answers = []
    for server, one in ((service, requests), (floor, floor_requests)):
        body = json.loads(one.body) if one.body else None
        answers.append(server.call(one.method, one.path, one.token, body))
    return answers

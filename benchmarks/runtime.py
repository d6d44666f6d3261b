"""What bots ask all day, as a part of what the floor can do of it."""

import base64
import json
from collections.abc import Sequence
from typing import Any

from app.client.answers import ReleaseAnswer
from app.client.opening import open_release
from app.vault.suites import PrivateKey, SuiteName
from benchmarks.fleet import FleetBot, make_fleet
from benchmarks.installation import Installation
from benchmarks.load import Asked
from benchmarks.report import Row
from benchmarks.rounds import DifferentAnswers, Effort, Side, in_turn
from benchmarks.server import Server

BOTS = 200
CONFIG_BUDGET = 0.6
RELEASE_BUDGET = 0.5
_NOT_MODIFIED = 304


def measure(installation: Installation, effort: Effort) -> list[Row]:
    """What a fleet asks of one process of the role `runtime`."""
    with installation.service("runtime") as service, installation.floor() as floor:
        with installation.service("api") as api:
            fleet = make_fleet(installation, api, service, BOTS)
        return [
            measure_config(service, floor, fleet, effort),
            measure_release(service, floor, fleet, effort),
        ]


def measure_config(
    service: Server, floor: Server, fleet: Sequence[FleetBot], effort: Effort
) -> Row:
    """Every bot asks whether its configuration, of five assets, is still the one that it has."""
    compare_configs(service, floor, fleet[0])
    asked, asked_floor = [], []
    for bot in fleet:
        config = service.call("GET", "/v1/runtime/config", bot.token)
        headers = {"If-None-Match": f'"{config["version"]}"'}
        asked.append(bot.asks("config", headers=headers))
        asked_floor.append(bot.asks_floor("config", headers=headers))
    rounds = in_turn(
        Side(service, asked, _NOT_MODIFIED), Side(floor, asked_floor, _NOT_MODIFIED), effort
    )
    return rounds.row("get config (304)", CONFIG_BUDGET, bots=len(fleet))


def compare_configs(service: Server, floor: Server, bot: FleetBot) -> None:
    """Raises `DifferentAnswers` unless both tell the same of a bot that trades."""
    answers = _both(service, floor, bot.asks("config"), bot.asks_floor("config"))
    if answers[0] != answers[1] or not answers[0]["may_open_positions"]:
        raise DifferentAnswers


def measure_release(
    service: Server, floor: Server, fleet: Sequence[FleetBot], effort: Effort
) -> Row:
    """Every bot has its credentials released, each release recorded before it is made."""
    one_time_key = PrivateKey.generate(SuiteName.MLKEM768_X25519)
    compare_releases(service, floor, fleet[0], one_time_key)
    body = _release_request(one_time_key)
    asked = [bot.asks("credentials", method="POST", body=body) for bot in fleet]
    asked_floor = [bot.asks_floor("credentials", method="POST", body=body) for bot in fleet]
    rounds = in_turn(Side(service, asked), Side(floor, asked_floor), effort)
    return rounds.row("release of credentials", RELEASE_BUDGET, bots=len(fleet))


def compare_releases(
    service: Server, floor: Server, bot: FleetBot, one_time_key: PrivateKey
) -> None:
    """Raises `DifferentAnswers` unless the bot can open either answer, and finds the same."""
    more = {"method": "POST", "body": _release_request(one_time_key)}
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


def _release_request(one_time_key: PrivateKey) -> str:
    public = base64.urlsafe_b64encode(one_time_key.public.raw).rstrip(b"=").decode()
    return json.dumps({"suite": SuiteName.MLKEM768_X25519, "public_key": public})


def _both(service: Server, floor: Server, asked: Asked, asked_floor: Asked) -> list[Any]:
    answers = []
    for server, one in ((service, asked), (floor, asked_floor)):
        body = json.loads(one.body) if one.body else None
        answers.append(server.call(one.method, one.path, one.token, body))
    return answers

"""`botkeys run --sign`: a program that trades and never holds the key."""

import json
import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from app.custody.bot_token import mint
from botkeys.client import BotClient
from botkeys.commands.run.given import Given
from botkeys.commands.run.signing import signing_for
from botkeys.exchanges.model import ContractType, Endpoints, Environment, ExchangeId
from botkeys.sealing.secret import Secret
from tests.sdk.commands.run.conftest import SECRETS, Starter
from tests.sdk.commands.run.serving import ServedService

OPTIONS = (
    "--sign --env KEY=api_key --env SECRET=api_secret --env PASS=api_passphrase --env URL=rest_url"
)
PROGRAM = """
import json, os, signal, sys, time, urllib.error, urllib.request
def refused(method, path, body):
    headers = {"OK-ACCESS-KEY": os.environ["KEY"], "Content-Type": "application/json"}
    data = json.dumps(body).encode()
    request = urllib.request.Request(os.environ["URL"] + path, data, headers, method=method)
    try:
        urllib.request.urlopen(request)
    except urllib.error.HTTPError as error:
        return error.headers["X-Botkeys-Refused"]
def parent():
    try:
        open(f"/proc/{os.getppid()}/mem", "rb")
    except PermissionError:
        return "denied"
    return "open"
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # which comes when its parent is killed
refused("GET", "/", {})  # what Python imports late, another user may not read
if "--nobody" in sys.argv:
    os.setuid(65534)
order = {"instId": "XRP-USDT-SWAP", "tdMode": "cross", "side": "buy"}
order |= {"ordType": "market", "sz": "1"}
print(json.dumps({
    "withdrawal": refused("POST", "/api/v5/asset/withdrawal", {}),
    "order": refused("POST", "/api/v5/trade/order", order),
    "key": os.environ["KEY"],
    "parent": parent(),
}), flush=True)
sys.stdin.read()
time.sleep(60)
"""


def memory_of(process: int) -> bytes:
    """Return all writable memory of a process, read as its debugger would."""
    ranges = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw")
    found = bytearray()
    folder = Path(f"/proc/{process}")
    with (folder / "maps").open() as maps, (folder / "mem").open("rb", 0) as memory:
        for line in maps:
            if (each := ranges.match(line)) and "[v" not in line:
                begin, end = (int(part, 16) for part in each.groups())
                memory.seek(begin)
                found += memory.read(end - begin)
    return bytes(found)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_the_key_is_nowhere_in_the_memory_of_the_program(start: Starter) -> None:
    """R69."""
    run = start(OPTIONS, sys.executable, "-c", PROGRAM).until_printed("withdrawal")
    seen = json.loads(run.printed)
    assert seen["withdrawal"] == "endpoint_not_allowed"
    assert seen["order"] == "symbol_not_enabled"
    memory = memory_of(run.program())
    assert seen["key"].encode() in memory
    assert not [secret for secret in SECRETS if secret.encode() in memory]
    assert not [secret for secret in SECRETS if secret in run.printed + run.messages]


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root starts it for another user"
)
def test_a_program_of_another_user_cannot_read_the_proxy(start: Starter) -> None:
    run = start(OPTIONS, sys.executable, "-c", PROGRAM, "--nobody").until_printed("withdrawal")
    seen = json.loads(run.printed)
    assert seen["parent"] == "denied"
    assert seen["withdrawal"] == "endpoint_not_allowed"
    memory = memory_of(run.program())
    assert not [secret for secret in SECRETS if secret.encode() in memory]


def test_a_program_whose_proxy_was_killed_has_nothing_of_worth(start: Starter) -> None:
    run = start(OPTIONS, sys.executable, "-c", PROGRAM).until_printed("withdrawal")
    program = run.program()
    os.kill(run.pid, 9)
    run.process.join(10)
    memory = memory_of(program) if sys.platform == "linux" else b""
    assert not [secret for secret in SECRETS if secret.encode() in memory]
    os.kill(program, 9)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--sign --preset env", "has to find the proxy"),
        ("--sign --env KEY=api_key", "has to find the proxy"),
        ("--preset json --max-order-value 5", "belongs to --sign"),
        ("--sign --preset json --max-order-value 0", "no positive amount"),
        ("--sign --preset json --max-order-value -5", "no positive amount"),
    ],
)
def test_options_that_do_not_fit_start_nothing(
    start: Starter, served: ServedService, options: str, sentence: str
) -> None:
    run = start(options, "true")
    assert run.ends() == 64
    assert sentence in run.messages
    assert served.releases == 0


@pytest.mark.parametrize("exchange", ["binance", "bybit", "okx"])
async def test_the_websocket_of_a_replaced_exchange_stands_behind_the_proxy(exchange: str) -> None:
    given = Given(
        key_id=UUID(int=1),
        label="Perps",
        version=1,
        exchange=ExchangeId(exchange),
        environment=Environment.TESTNET,
        region=None,
        contract_type=ContractType.LINEAR,
        api_key=Secret("k"),
        api_secret=Secret("s"),
        api_passphrase=None,
        endpoints=Endpoints("http://127.0.0.1:1", "ws://127.0.0.1:2"),
        own_address=False,
    )
    token = mint(UUID(int=1), UUID(int=2), os.urandom)
    async with signing_for(BotClient("http://127.0.0.1:3", token), None)(given) as placeholders:
        assert (placeholders.endpoints.websocket or "").startswith("ws://127.0.0.1:")
    without = replace(given, endpoints=Endpoints("http://127.0.0.1:1", None))
    async with signing_for(BotClient("http://127.0.0.1:3", token), None)(without) as placeholders:
        assert placeholders.endpoints.websocket is None

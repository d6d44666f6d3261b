"""Bots that are not ours, installed apart, started with credentials they never stored.

passivbot is on no package index: its reader of credentials is followed as its source has it.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from app.simulator import Simulator
from botkeys.exchanges.model import Environment
from tests.sdk.commands.run.conftest import SECRETS, Starter
from tests.sdk.commands.run.serving import ServedService

PATIENCE = 540
RECIPES = Path(__file__).parents[4] / "docs/recipes"

PASSIVBOT = """
import json
entry = json.load(open("api-keys.json"))["okx_01"]
print(entry["exchange"], len(entry["key"]), len(entry["secret"]), len(entry["passphrase"]))
"""
"""What passivbot does: `load_user_info` opens the file by this name and looks up its user."""

NAUTILUS = """
from nautilus_trader.core import nautilus_pyo3
client = nautilus_pyo3.okx.OKXHttpClient.from_env()
print("read", len(client.api_key))
"""
CRYPTOFEED = """
from cryptofeed.config import Config
keys = Config()["okx"]
print("read", len(keys["key_id"]), len(keys["key_secret"]), len(keys["key_passphrase"]))
"""
STRATEGY = """
from freqtrade.strategy import IStrategy
class Idle(IStrategy):
    timeframe = "5m"
    stoploss = -0.1
    minimal_roi = {"0": 1}
    def populate_indicators(self, dataframe, metadata): return dataframe
    def populate_entry_trend(self, dataframe, metadata): return dataframe
    def populate_exit_trend(self, dataframe, metadata): return dataframe
"""
LENGTHS = [len(each) for each in SECRETS]


def installed(tmp_path_factory: pytest.TempPathFactory, package: str) -> Path:
    """Return the programs of an environment with the package; skip without a package index."""
    folder = tmp_path_factory.mktemp(package)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=PATIENCE)  # noqa: S603  # our own interpreter
    pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", package]
    try:
        subprocess.run(pip, check=True, timeout=PATIENCE, capture_output=True)  # noqa: S603  # as above
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip(f"{package} cannot be installed here")
    return folder / "bin"


@pytest.fixture(scope="module")
def freqtrade(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(tmp_path_factory, "freqtrade")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Return the folder in which programs are started, and look for what they leave."""
    yield tmp_path
    holds = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in holds if any(s.encode() in path.read_bytes() for s in SECRETS)]


def configuration(folder: Path) -> Path:
    """Write the configuration of the recipe, for a dry run."""
    text = (RECIPES / "freqtrade.md").read_text("utf-8")
    own: dict[str, Any] = json.loads(text.partition("```json\n")[2].partition("```")[0])
    own |= {
        "dry_run": True,
        "db_url": "sqlite://",
        "unfilledtimeout": {"entry": 10, "exit": 10},
        "internals": {"process_throttle_secs": 1},
    }
    (folder / "strategies").mkdir()
    (folder / "strategies/idle.py").write_text(STRATEGY)
    path = folder / "config.json"
    path.write_text(json.dumps(own))
    return path


@pytest_asyncio.fixture(scope="module")
async def simulator() -> Any:
    async with Simulator(long_listing=40) as running:
        yield running


@pytest.fixture
def binance(served: ServedService, simulator: Simulator) -> ServedService:
    """Return the service with a key of the simulated Binance."""
    endpoints = {"rest": simulator.hosts["binance"]["testnet"], "websocket": None}
    served.service.lie = lambda answer: answer.update(endpoints=endpoints)
    served.service.binding = replace(
        served.service.binding, exchange="binance", environment=Environment.TESTNET
    )
    key = {**served.service.config["key"], "exchange": "binance"}
    served.change(key=key, endpoints=endpoints)
    return served


@pytest.mark.torture
@pytest.mark.timeout(900)
def test_freqtrade_shows_its_configuration_without_the_credentials(
    freqtrade: Path, binance: ServedService, start: Starter, folder: Path
) -> None:
    own = configuration(folder)
    command = (
        str(freqtrade / "freqtrade"),
        "show-config",
        "-c",
        str(own),
        "--userdir",
        str(folder),
    )
    run = start("--preset freqtrade --expect exchange=binance", *command)
    run.process.join(120)
    assert run.ends() == 0, run.messages
    shown = json.loads(run.printed[run.printed.index("{") :])
    assert shown["exchange"]["key"] == shown["exchange"]["secret"] == "REDACTED"
    assert not [each for each in SECRETS if each in run.printed + run.messages]


@pytest.mark.torture
@pytest.mark.timeout(900)
async def test_freqtrade_starts_a_dry_run_at_the_simulated_exchange(
    freqtrade: Path, binance: ServedService, start: Starter, folder: Path
) -> None:
    own = configuration(folder)
    command = (str(freqtrade / "freqtrade"), "trade", "-c", str(own), "--userdir", str(folder))
    run = start("--preset freqtrade", *command, "--strategy", "Idle")
    async with asyncio.timeout(180):
        while "Changing state to: RUNNING" not in run.printed + run.messages:
            assert run.process.is_alive(), run.messages
            await asyncio.sleep(0.2)
    assert not [each for each in SECRETS if each in run.printed + run.messages]


def test_passivbot_finds_its_user_in_the_current_folder(
    served: ServedService, start: Starter, folder: Path
) -> None:
    somewhere = {"rest": "http://127.0.0.1:9", "websocket": None}
    served.service.lie = lambda answer: answer.update(endpoints=somewhere)
    command = (sys.executable, "-c", PASSIVBOT, "-u", "okx_01")
    run = start("--preset passivbot", *command)
    assert run.ends() == 0, run.messages
    assert run.printed.split() == ["okx", *map(str, LENGTHS)]
    assert not (folder / "api-keys.json").is_symlink()


@pytest.mark.torture
@pytest.mark.timeout(900)
def test_nautilus_reads_its_variables(
    start: Starter, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    python = installed(tmp_path_factory, "nautilus_trader") / "python"
    run = start("--preset nautilus", str(python), "-c", NAUTILUS)
    run.process.join(120)
    assert run.ends() == 0, run.messages
    assert run.printed.split()[0] == "read"


@pytest.mark.torture
@pytest.mark.timeout(900)
def test_cryptofeed_reads_its_file(
    start: Starter, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    python = installed(tmp_path_factory, "cryptofeed") / "python"
    run = start("--preset cryptofeed", str(python), "-c", CRYPTOFEED)
    run.process.join(120)
    assert run.ends() == 0, run.messages
    assert run.printed.split() == ["read", *map(str, LENGTHS)]

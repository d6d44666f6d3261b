"""The newest releases of clients that are not ours, in an environment of their own.

The tests' own ccxt is held back: later ones lack BitMEX, and their pins clash with ours. So the
newest is installed apart, as anybody would, and so are pybit and python-binance, which trade.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import botkeys.ccxt
from app.simulator import Simulator, credentials
from botkeys.exchanges.model import ContractType, Environment
from botkeys.exchanges.registry import EXCHANGES, Exchanges, simulated_hosts
from botkeys.signing_proxy import SigningProxy, market
from botkeys.transport.client import HttpTransport
from tests.outside.differences import CCXT_ALONE, Row, disagreements, expected
from tests.outside.released import config_of, released
from tests.sdk.signing_proxy.trading import Holder, asset, config, held

ROOT = Path(__file__).parents[2]
CLIENTS = ("ccxt", "pybit", "python-binance")
PATIENCE = 300
NUMBERS = ("contract_size", "tick_size", "lot_size", "min_quantity", "max_leverage")

pytestmark = [pytest.mark.torture, pytest.mark.timeout(600)]


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of an environment with the clients; skip without a package index."""
    folder = tmp_path_factory.mktemp("newest")
    make = [sys.executable, "-m", "venv", str(folder)]
    subprocess.run(make, check=True, timeout=PATIENCE)  # noqa: S603  # our own interpreter
    interpreter = folder / "bin/python"
    install = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        subprocess.run(  # noqa: S603  # pip, in an environment of this test
            [*install, *CLIENTS], check=True, timeout=PATIENCE, capture_output=True
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip("the package index does not answer")
    return interpreter


@pytest_asyncio.fixture(scope="module")
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(long_listing=40) as running:
        yield running


async def run(python: Path, module: str, given: Any) -> Any:
    """Run one of the programs with JSON as its input, and return its output."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "sdk/python/src")])
    process = await asyncio.create_subprocess_exec(
        *(python, "-m", f"tests.outside.programs.{module}"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": paths},
    )
    async with asyncio.timeout(PATIENCE):
        printed, complaints = await process.communicate(json.dumps(given).encode())
    assert process.returncode == 0, complaints.decode()
    return json.loads(printed)


@pytest_asyncio.fixture(scope="module")
async def ccxt(python: Path, simulator: Simulator) -> Any:
    given = {"hosts": simulator.hosts, "keys": credentials(), "exchanges": list(EXCHANGES)}
    return await run(python, "newest_ccxt", given)


async def test_the_newest_ccxt_knows_all_but_the_one_that_closed(ccxt: Any) -> None:
    assert ccxt["missing"] == ["bitmex"]
    assert set(ccxt["seen"]) == set(EXCHANGES) - {"bitmex"}


@pytest.mark.parametrize("environment", Environment)
@pytest.mark.parametrize("exchange", [name for name in EXCHANGES if name != "bitmex"])
async def test_the_newest_ccxt_signs_trades_and_is_refused(
    ccxt: Any, exchange: str, environment: Environment
) -> None:
    seen = ccxt["seen"][exchange][environment]
    assert seen["funds"]
    assert seen["revoked"] == "refused"
    assert seen["orders"] == dict.fromkeys(EXCHANGES[exchange].contract_types, True)


@pytest.mark.parametrize("environment", Environment)
@pytest.mark.parametrize(
    ("exchange", "kind"),
    [
        (name, kind)
        for name, profile in EXCHANGES.items()
        for kind in profile.contract_types
        if name != "bitmex"
    ],
)
async def test_the_newest_ccxt_reads_every_perpetual_as_we_do(
    ccxt: Any, simulator: Simulator, exchange: str, kind: ContractType, environment: Environment
) -> None:
    theirs = {
        row["symbol"]: Row(**{**row, **{name: number(row[name]) for name in NUMBERS}})
        for row in ccxt["seen"][exchange][environment]["rows"]
        if row["contract_type"] == kind
    }
    async with HttpTransport() as http:
        adapter = Exchanges(http, hosts=simulated_hosts(simulator.hosts)).adapter(exchange)
        listed = await adapter.instruments(environment, None, kind)
    perpetuals = [each for each in listed if not each.dated]
    ours = {row.symbol: row for row in (expected(exchange, each) for each in perpetuals)}
    assert set(theirs) - set(ours) == CCXT_ALONE.get((exchange, kind), frozenset())
    assert set(ours) - set(theirs) == set()
    assert [text for name, row in ours.items() for text in disagreements(row, theirs[name])] == []


async def test_the_newest_ccxt_works_with_our_options_alone(
    python: Path, simulator: Simulator
) -> None:
    kinds = [
        (exchange, environment, kind)
        for exchange, profile in EXCHANGES.items()
        for environment in Environment
        for kind in profile.contract_types
    ]
    given = []
    for exchange, environment, kind in kinds:
        rest = simulator.hosts[exchange][environment]
        config = config_of(exchange, environment, kind, rest)
        credential = released(
            exchange, environment, credentials()[exchange][environment]["trade"], rest
        )
        options = botkeys.ccxt.options(credential, config)
        given.append({"id": botkeys.ccxt.exchange_id(config), "options": options})
    seen = await run(python, "newest_options", given)
    for (exchange, _, _), both in zip(kinds, seen, strict=True):
        if exchange == "bitmex":
            assert both is None
        else:
            assert both[0], exchange
            assert both[0] == both[1]


async def test_pybit_and_python_binance_trade(python: Path, simulator: Simulator) -> None:
    # Another account than the one in which ccxt's orders rest.
    keys = {
        "bybit": credentials()["bybit"]["testnet"]["other_account"],
        "binance": credentials()["binance"]["live"]["other_account"],
    }
    traded = await run(python, "trading_clients", {"hosts": simulator.hosts, "keys": keys})
    assert traded["bybit"] == {
        "found": True,
        "left": [],
        "position": ["Buy", "0.001", "7"],
        "refused": 110001,
    }
    assert traded["binance"] == {
        "found": True,
        "left": [],
        "position": ["Buy", "0.002", "7"],
        "refused": -2011,
    }


SYMBOLS = {"binance": "BTCUSDT", "bybit": "BTCUSDT", "okx": "BTC-USDT-SWAP"}
PLACES = {"binance": "live", "bybit": "testnet", "okx": "testnet"}


@asynccontextmanager
async def signing(simulator: Simulator) -> AsyncIterator[dict[str, SigningProxy]]:
    """Start a proxy for a linear key at each exchange that has one, with Bitcoin alone enabled."""
    hosts = simulated_hosts(simulator.hosts)
    proxies = {}
    async with AsyncExitStack() as stack:
        for exchange, environment in PLACES.items():
            enabled = asset(SYMBOLS[exchange], "0.01" if exchange == "okx" else "1")
            holder = Holder(
                held(credentials()[exchange][environment]["trade"]),
                config(exchange, ContractType.LINEAR, enabled),
            )
            part = market(exchange, environment, ContractType.LINEAR, hosts=hosts)
            proxies[exchange] = await stack.enter_async_context(
                SigningProxy(holder, exchange, part)
            )
        yield proxies


def key_of(proxy: SigningProxy) -> dict[str, str]:
    placeholder = asdict(proxy.placeholder)
    return {name: value for name, value in placeholder.items() if value is not None}


async def test_clients_trade_through_the_signing_proxy_without_a_key(python: Path) -> None:
    async with Simulator(perpetuals=4, long_listing=4) as simulator, signing(simulator) as proxies:
        given = {
            name: {
                "address": proxy.address,
                "environment": PLACES[name],
                "key": key_of(proxy),
            }
            for name, proxy in proxies.items()
        }
        seen = await run(python, "signing_clients", {"proxies": given})
        hosts = {name: {PLACES[name]: proxy.address} for name, proxy in proxies.items()}
        keys = {name: key_of(proxy) for name, proxy in proxies.items()}
        traded = await run(python, "trading_clients", {"hosts": hosts, "keys": keys})
    for result in seen.values():
        assert result["funds"]
        assert result["order"]
        assert "not an enabled asset" in result["refused"]
    assert traded["bybit"]["position"] == ["Buy", "0.001", "7"]
    assert traded["bybit"]["refused"] == 110001
    assert traded["binance"]["position"] == ["Buy", "0.002", "7"]
    assert traded["binance"]["refused"] == -2011


def number(written: str | None) -> Decimal | None:
    return None if written is None else Decimal(written)

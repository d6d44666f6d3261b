"""The calls of a check, counted at the simulator, are those that docs/exchanges.md states."""

import re
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.simulator import Simulator, credentials
from botkeys.exchanges.model import ContractType, Credentials, Environment
from botkeys.exchanges.registry import EXCHANGES, Exchanges, simulated_hosts
from botkeys.sealing.secret import Secret
from botkeys.transport.client import HttpTransport

PAGE = Path(__file__).parents[3] / "docs/exchanges.md"
PLACES = [
    (name, environment, kind)
    for name, profile in EXCHANGES.items()
    for environment in Environment
    for kind in profile.contract_types
]


def stated() -> list[tuple[frozenset[str], Counter[str], int]]:
    """Return the rows: to what each applies, its calls, and how many there are at most."""
    text = PAGE.read_text(encoding="utf-8")
    section = text.partition("## What a credential check costs and changes")[2].partition("\n## ")[
        0
    ]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if "`/" in line]
    found = []
    for place, calls, _, most, _ in rows:
        number = re.match(r"\d+", most)
        assert number is not None, place
        found.append(
            (frozenset(place.split()), Counter(re.findall(r"`(/[^`]+)`", calls)), int(number[0]))
        )
    return found


def row_of(place: tuple[str, Environment, ContractType]) -> tuple[Counter[str], int]:
    matching = [(calls, most) for words, calls, most in stated() if words <= set(place)]
    assert len(matching) == 1, f"{place} has one row"
    return matching[0]


@pytest.fixture(scope="module")
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(perpetuals=3, long_listing=3) as running:
        yield running


@pytest.fixture(scope="module")
async def exchanges(simulator: Simulator) -> AsyncIterator[Exchanges]:
    async with HttpTransport() as http:
        yield Exchanges(http, hosts=simulated_hosts(simulator.hosts))


async def counted(
    simulator: Simulator, exchanges: Exchanges, place: tuple[str, Environment, ContractType]
) -> Counter[str]:
    exchange, environment, kind = place
    texts = credentials()[exchange][environment]["trade"]
    passphrase = texts.get("api_passphrase")
    key = Credentials(
        Secret(texts["api_key"]),
        Secret(texts["api_secret"]),
        None if passphrase is None else Secret(passphrase),
    )
    before = Counter(simulator.paths(exchange, environment))
    await exchanges.adapter(exchange).check_credentials(key, environment, None, kind)
    return Counter(simulator.paths(exchange, environment)) - before


@pytest.mark.parametrize("place", PLACES, ids="-".join)
async def test_a_check_makes_the_calls_that_the_page_states(
    simulator: Simulator,
    exchanges: Exchanges,
    place: tuple[str, Environment, ContractType],
) -> None:
    calls, most = row_of(place)
    made = await counted(simulator, exchanges, place)
    assert made == calls
    assert made.total() <= most


@pytest.mark.parametrize(
    ("exchange", "traits", "extra"),
    [
        ("kraken", {"check": "absent"}, {"/derivatives/api/v3/accounts": 1}),
        (
            "binance",
            {"portfolio_margin": "yes"},
            {"/papi/v1/um/accountConfig": 1, "/papi/v1/um/leverageBracket": 1},
        ),
        ("kucoin", {"apiVersion": "2", "version": "strict"}, {"/api/v1/user/api-key": 1}),
    ],
)
async def test_a_second_call_is_made_where_the_page_says_so(
    simulator: Simulator,
    exchanges: Exchanges,
    exchange: str,
    traits: dict[str, str],
    extra: dict[str, int],
) -> None:
    place = (exchange, Environment.LIVE, ContractType.LINEAR)
    text = credentials()[exchange]["live"]["trade"]["api_key"]
    key = simulator.keys.find(exchange, "live", text)
    assert key is not None
    simulator.keys.add(replace(key, traits=tuple(traits.items())))
    try:
        made = await counted(simulator, exchanges, place)
    finally:
        simulator.keys.add(key)
    calls, most = row_of(place)
    assert made == calls + Counter(extra)
    assert made.total() <= most

"""Credentials that were pasted with something around them, without PEM lines, or swapped."""

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from botkeys.exchanges.ccxt_ids import CCXT_IDS
from botkeys.exchanges.model import ExchangeId
from tests.support.world import Json, World


def changes(document: Json) -> list[tuple[str, str]]:
    return [(change["field"], change["change"]) for change in document["adjusted"]]


async def test_white_space_and_quotes_around_are_removed_and_stated(world: World) -> None:
    """Rule R4."""
    plain = world.new_key()
    pasted = {
        "api_key": f" {plain['api_key']}\n",
        "api_secret": f'"{plain["api_secret"]}"',
        "api_passphrase": f"\t{plain['api_passphrase']}",
    }

    answer = await world.user().post("/v1/keys", {**plain, **pasted})

    assert answer.status_code == 201, answer.text
    document = answer.json()
    assert document["verification"]["status"] == "verified"
    assert changes(document) == [
        ("api_key", "white_space"),
        ("api_passphrase", "white_space"),
        ("api_secret", "quotes"),
    ]
    assert plain["api_secret"] not in answer.text
    shown = (await world.user().get(f"/v1/keys/{document['id']}")).json()
    assert "adjusted" not in shown
    again = await world.user().post("/v1/keys", plain)
    assert again.json()["code"] == "key_already_added"


async def test_nothing_is_stated_where_nothing_was_changed(world: World) -> None:
    assert "adjusted" not in await world.user().add_key()


async def test_a_secret_with_its_passphrase_may_be_in_quotes_too(world: World) -> None:
    plain = world.new_key()
    body = {**plain, "api_secret": f"'{plain['api_secret']} : {plain.pop('api_passphrase')}'"}
    body.pop("api_passphrase")

    answer = await world.user().post("/v1/keys", body)

    assert answer.status_code == 201, answer.text
    assert ("api_secret", "quotes") in changes(answer.json())
    assert ("api_passphrase", "white_space") in changes(answer.json())


@pytest.mark.parametrize("exchange", ["binance", "deribit"])
async def test_a_private_key_without_its_pem_lines_is_taken(world: World, exchange: str) -> None:
    """Rule R4."""
    der = Ed25519PrivateKey.generate().private_bytes(
        Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
    )
    body = world.unchecked_key(exchange=exchange, api_secret=base64.b64encode(der).decode())
    body.pop("api_passphrase", None)

    answer = await world.user().post("/v1/keys", body)

    assert answer.status_code == 201, answer.text
    assert changes(answer.json()) == [("api_secret", "pem_lines")]


@pytest.mark.parametrize(
    ("exchange", "environment"),
    [("okx", "testnet"), ("kraken", "live"), ("kucoin", "live"), ("gemini", "testnet")],
)
async def test_swapped_credentials_are_named_as_that(
    world: World, exchange: str, environment: str
) -> None:
    """Rule R4."""
    plain = world.new_key(exchange=exchange, environment=environment)
    swapped = {**plain, "api_key": plain["api_secret"], "api_secret": plain["api_key"]}
    calls = world.simulator.calls(exchange, environment)

    answer = await world.user().post("/v1/keys", swapped)

    assert (answer.status_code, answer.json()["code"]) == (422, "credentials_swapped")
    assert plain["api_secret"] not in answer.text
    assert plain["api_key"] not in answer.text
    assert world.simulator.calls(exchange, environment) == calls


async def test_a_replacement_is_read_in_the_same_way(world: World) -> None:
    user = world.user()
    key = await user.add_key()
    new = world.credentials["okx"]["testnet"]["trade_2"]
    path = f"/v1/keys/{key['id']}/credentials"

    swapped = await user.put(
        path, {**new, "api_key": new["api_secret"], "api_secret": new["api_key"]}
    )
    pasted = await user.put(path, {**new, "api_secret": f"{new['api_secret']}\n"})

    assert swapped.json()["code"] == "credentials_swapped"
    assert pasted.status_code == 200, pasted.text
    assert changes(pasted.json()) == [("api_secret", "white_space")]


@pytest.mark.parametrize("name", sorted(set(CCXT_IDS) - set(ExchangeId)))
async def test_an_id_of_ccxt_is_answered_with_what_it_means_here(world: World, name: str) -> None:
    answer = await world.user().post("/v1/keys", {**world.new_key(), "exchange": name})

    meant = CCXT_IDS[name]
    problem = answer.json()
    expected: dict[str, Any] = {
        "exchange": meant.exchange.value,
        "region": meant.region,
        "contract_type": meant.contract_type,
    }
    assert (answer.status_code, problem["code"]) == (422, "exchange_named_by_ccxt")
    assert {member: problem.get(member) for member in expected} == expected
    assert all(value in problem["detail"] for value in expected.values() if value is not None)


@pytest.mark.parametrize("name", ["mtgox", "", 7, None, ["binanceusdm"]])
async def test_any_other_name_is_an_ordinary_fault(world: World, name: Any) -> None:
    answer = await world.user().post("/v1/keys", {**world.new_key(), "exchange": name})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize(
    ("environment", "other", "place"),
    [("live", "testnet", "demo.binance.com"), ("testnet", "live", "demo.binance.com")],
)
async def test_a_key_that_is_unknown_there_may_be_one_of_the_other_environment(
    world: World, environment: str, other: str, place: str
) -> None:
    elsewhere = world.credentials["binance"][other]["trade"]
    body = world.new_key(exchange="binance", environment=environment)

    answer = await world.user().post("/v1/keys", {**body, **elsewhere})

    assert (answer.status_code, answer.json()["code"]) == (422, "credentials_rejected")
    assert f"add it as {other}" in answer.json()["detail"]
    assert place in answer.json()["detail"]

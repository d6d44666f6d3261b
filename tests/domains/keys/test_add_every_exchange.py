"""A key of each of the ten exchanges, with the form that each requires."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from app.simulator import KeyText, Permission, SimulatedKey, demo_credentials
from botkeys.exchanges.model import Environment
from botkeys.exchanges.registry import EXCHANGES, Exchanges, simulated_hosts
from botkeys.transport.client import HttpTransport
from tests.support.variants import changed
from tests.support.world import World

EVERY = list(EXCHANGES)
WITH_PASSPHRASE = ["okx", "kucoin"]
WITHOUT_PASSPHRASE = [name for name in EVERY if name not in WITH_PASSPHRASE]
LINEAR_ONLY = ["gemini", "woox"]
BASE64 = "c2VjcmV0LW9mLWEta3Jha2VuLWZ1dHVyZXMta2V5"


def body(exchange: str, **changes: Any) -> dict[str, Any]:
    """Return a key that is well-formed at this exchange and is not checked there."""
    return {
        "label": f"{exchange} main",
        "exchange": exchange,
        "environment": "live",
        "contract_type": "linear",
        "api_key": f"api-key-of-{exchange}-0123456789",
        "api_secret": BASE64,
        "verify": False,
        **({"api_passphrase": "phrase"} if exchange in WITH_PASSPHRASE else {}),
        **changes,
    }


@pytest.mark.parametrize("exchange", EVERY)
async def test_a_key_of_each_exchange_is_taken_in_each_environment(
    world: World, exchange: str
) -> None:
    for environment in ("live", "testnet"):
        answer = await world.user().post("/v1/keys", body(exchange, environment=environment))

        assert answer.status_code == 201, answer.text
        key = answer.json()
        assert (key["exchange"], key["environment"]) == (exchange, environment)
        assert key["active"] is True
        assert key["bot"] is None
        assert key["version"] == 1
        assert key["last_release"] is None
        assert key["expires_at"] is None


@pytest.mark.parametrize("exchange", EVERY)
async def test_inverse_contracts_are_taken_where_the_exchange_has_them(
    world: World, exchange: str
) -> None:
    answer = await world.user().post("/v1/keys", body(exchange, contract_type="inverse"))

    if exchange in LINEAR_ONLY:
        assert answer.status_code == 422
        assert answer.json()["code"] == "contract_type_not_offered"
        assert answer.json()["contract_types"] == ["linear"]
    else:
        assert answer.status_code == 201
        assert answer.json()["contract_type"] == "inverse"


@pytest.mark.parametrize("exchange", WITH_PASSPHRASE)
async def test_both_ways_to_give_the_passphrase_seal_the_same_credentials(
    world: World, exchange: str
) -> None:
    """Rule R3."""
    user = world.user()

    one = await user.post(
        "/v1/keys", body(exchange, api_secret=f"{BASE64}:phrase", api_passphrase=None)
    )
    two = await user.post("/v1/keys", body(exchange, api_key="another-key-of-the-same"))

    assert (one.status_code, two.status_code) == (201, 201)


@pytest.mark.parametrize("exchange", WITH_PASSPHRASE)
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"api_passphrase": None}, "passphrase_required"),
        ({"api_passphrase": None, "api_secret": ":phrase"}, "passphrase_required"),
        ({"api_passphrase": None, "api_secret": "secret:"}, "passphrase_required"),
        ({"api_passphrase": None, "api_secret": ":"}, "passphrase_required"),
        ({"api_secret": "secret:phrase"}, "passphrase_twice"),
        ({"api_secret": "secret:"}, "passphrase_twice"),
        ({"api_passphrase": None, "api_secret": "secret:phr ase"}, "malformed_credentials"),
        ({"api_passphrase": "phr\tase"}, "malformed_credentials"),
        ({"api_passphrase": ""}, "invalid_request"),
    ],
)
async def test_the_passphrase_is_asked_for_once_and_only_once(
    world: World, exchange: str, changes: dict[str, Any], code: str
) -> None:
    """Rule R3."""
    answer = await world.user().post("/v1/keys", body(exchange, **changes))

    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_a_passphrase_where_there_is_none_is_refused(world: World) -> None:
    """Rule R3."""
    for exchange in WITHOUT_PASSPHRASE:
        answer = await world.user().post("/v1/keys", body(exchange, api_passphrase="phrase"))

        assert (answer.status_code, answer.json()["code"]) == (422, "passphrase_not_used")


async def test_a_colon_is_part_of_the_secret_where_there_is_no_passphrase(world: World) -> None:
    for exchange in set(WITHOUT_PASSPHRASE) - {"kraken"}:
        answer = await world.user().post("/v1/keys", body(exchange, api_secret="before:after"))

        assert answer.status_code == 201, exchange


@pytest.mark.parametrize(
    "fault", ["with space", "tab\tbetween", "line\nbreak", "\x7f", "schlüssel", "\0"]
)
@pytest.mark.parametrize("field", ["api_key", "api_secret"])
async def test_what_no_exchange_would_issue_is_malformed(
    world: World, field: str, fault: str
) -> None:
    """Rule R4."""
    user = world.user()
    for exchange in EVERY:
        answer = await user.post("/v1/keys", body(exchange, **{field: fault}))

        assert (answer.status_code, answer.json()["code"]) == (422, "malformed_credentials")
        assert answer.json()["detail"].startswith(field)


@pytest.mark.parametrize("secret", ["not base64!", "abc", "äöü="])
async def test_a_kraken_secret_is_base64(world: World, secret: str) -> None:
    """Rule R4."""
    answer = await world.user().post("/v1/keys", body("kraken", api_secret=secret))

    assert (answer.status_code, answer.json()["code"]) == (422, "malformed_credentials")


async def test_a_key_that_the_user_made_for_deribit_is_checked_by_its_signature(
    world: World,
) -> None:
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    rights = frozenset({Permission.READ, Permission.TRADE})
    world.simulator.keys.add(
        SimulatedKey(
            "deribit",
            "live",
            KeyText("AbCdEfGh", ""),
            "987654321",
            rights,
            public_key=public.decode(),
        )
    )
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    wrong = Ed25519PrivateKey.generate()
    other = wrong.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    key = body("deribit", api_key="AbCdEfGh", api_secret=pem, verify=True)

    refused = await world.user().post("/v1/keys", {**key, "api_secret": other})
    taken = await world.user().post("/v1/keys", key)

    assert (refused.status_code, refused.json()["code"]) == (422, "credentials_rejected")
    assert taken.status_code == 201, taken.text
    stated = taken.json()
    assert stated["verification"]["status"] == "verified"
    assert (stated["permissions"]["trade"], stated["permissions"]["withdraw"]) == ("yes", "no")


async def test_a_region_is_one_of_the_exchanges_own_and_is_kept(world: World) -> None:
    """Rule R2."""
    user = world.user()
    for exchange, profile in EXCHANGES.items():
        regions = profile.environments[Environment.LIVE].regions
        for number, region in enumerate((*regions, None)):
            taken = await user.post("/v1/keys", body(exchange, api_key=f"{number}", region=region))
            assert taken.status_code == 201, taken.text
            assert taken.json()["region"] == region

        answer = await user.post("/v1/keys", body(exchange, region="atlantis"))
        assert (answer.status_code, answer.json()["code"]) == (422, "region_not_offered")
        assert answer.json()["regions"] == list(regions)


async def test_demo_trading_of_bybit_is_a_choice_beside_its_testnet(world: World) -> None:
    """Rule R2."""
    user = world.user()
    demo = {
        **body("bybit", environment="testnet", region="demo", verify=True),
        **demo_credentials()["bybit"]["testnet"]["trade"],
    }
    before = world.simulator.calls("bybit", "testnet")

    live = await user.post("/v1/keys", {**demo, "environment": "live"})
    elsewhere = await user.post("/v1/keys", {**demo, "region": None})
    key = (await user.post("/v1/keys", demo)).json()
    bot = await user.add_bot()
    assert (await user.assign(bot["id"], key["id"])).status_code == 200
    config = (await (await user.mint(bot["id"])).get("/v1/runtime/config")).json()

    assert (live.status_code, live.json()["code"]) == (422, "region_not_offered")
    assert (elsewhere.status_code, elsewhere.json()["reason"]) == (422, "invalid_key")
    assert "region demo" in elsewhere.json()["detail"]
    assert (key["environment"], key["region"]) == ("testnet", "demo")
    assert key["verification"]["status"] == "verified"
    assert config["endpoints"]["rest"] == world.simulator.hosts["bybit"]["demo"]
    assert world.simulator.calls("bybit", "testnet") == before + 1  # the key without a region
    instruments = (await user.get(f"/v1/keys/{key['id']}/instruments?search=BTCUSDT")).json()
    assert [item["symbol"] for item in instruments["items"]] == ["BTCUSDT"]


async def test_without_a_host_a_key_is_taken_as_unreachable(world: World) -> None:
    hosts = simulated_hosts({})
    async with (
        HttpTransport() as http,
        changed(world, exchanges=Exchanges(http, hosts=hosts)) as alone,
    ):
        answers = [await alone.user().post("/v1/keys", body(name, verify=True)) for name in EVERY]

    for answer in answers:
        assert answer.status_code == 201
        key = answer.json()
        assert key["verification"]["status"] == "unreachable"
        assert key["verification"]["reason"] == "no_endpoint"
        assert set(key["permissions"].values()) == {"unknown"}

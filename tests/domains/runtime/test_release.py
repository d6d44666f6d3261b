"""The release of credentials to a bot, as the bot sees it."""

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.domains.runtime.release.schemas import Release
from botkeys.client import BotClient
from botkeys.client.errors import NoKey, NotAuthenticated
from botkeys.sealing.suites import SuiteName
from botkeys.transport.client import ASGITransport, HttpTransport, Rate, TransportLimits
from tests.domains.conftest import Asking
from tests.support.variants import add_unchecked
from tests.support.world import World

BOUND = ("account_id", "bot_id", "key_id", "version", "exchange", "environment")


def transport(world: World) -> HttpTransport:
    limits = TransportLimits(attempts=1, rate_per_host=Rate(10_000, 1.0))
    return HttpTransport(limits, transport=ASGITransport(world.app))


def unpadded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def with_stray_bits(text: str) -> str:
    """Return other text of the same 32 bytes: its last character has two bits too many."""
    twin = text[:-1] + chr(ord(text[-1]) + 1)
    assert padded(twin) == padded(text)
    return twin


def padded(text: str) -> bytes:
    assert "=" not in text
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def bound(label: str, *fields: str) -> bytes:
    """Return the label, then each field preceded by its length, as docs/custody.md specifies."""
    parts = [len(field.encode()).to_bytes(2, "big") + field.encode() for field in fields]
    return label.encode() + b"".join(parts)


def opened(release: dict[str, Any], suite: hpke.Suite, private_key: Any) -> Any:
    """Open a release as a bot in any other language would."""
    fields = [str(release[name]) for name in BOUND]
    data_key = suite.decrypt(
        padded(release["sealed_data_key"]), private_key, bound("botkeys/release/1", *fields)
    )
    fields.pop(1)
    plaintext = AESGCM(data_key).decrypt(
        padded(release["nonce"]), padded(release["ciphertext"]), bound("botkeys/seal/1", *fields)
    )
    return json.loads(plaintext)


@pytest.mark.parametrize("suite", list(SuiteName))
@pytest.mark.parametrize(("exchange", "environment"), [("okx", "testnet"), ("binance", "live")])
async def test_a_bot_client_opens_what_its_user_entered(
    world: World, suite: SuiteName, exchange: str, environment: str
) -> None:
    user = world.user()
    key = await user.add_key(exchange=exchange, environment=environment)
    document = await user.add_bot()
    await user.assign(document["id"], key["id"])
    bot = await user.mint(document["id"])
    entered = world.credentials[exchange][environment]["trade"]

    async with (
        transport(world) as http,
        BotClient(
            "https://botkeys.test",
            bot.token,
            key_id=key["id"],
            exchange=exchange,
            environment=environment,
            suite=suite,
            transport=http,
        ) as client,
    ):
        released = await client.credentials()

        assert released.api_key.reveal() == entered["api_key"]
        assert released.api_secret.reveal() == entered["api_secret"]
        passphrase = released.api_passphrase
        assert (passphrase and passphrase.reveal()) == entered.get("api_passphrase")
        assert released.endpoints.rest == world.simulator.hosts[exchange][environment]


async def test_a_bot_in_any_language_opens_an_x25519_release(world: World) -> None:
    bot, _, _ = await world.user().ready_bot()
    private_key = X25519PrivateKey.generate()
    public_key = unpadded(private_key.public_key().public_bytes_raw())

    answer = await bot.post(
        "/v1/runtime/credentials", {"suite": "x25519", "public_key": public_key}
    )

    assert answer.status_code == 200
    assert set(answer.json()) == set(Release.model_fields)
    Release.model_validate(answer.json())
    suite = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
    assert opened(answer.json(), suite, private_key) == world.credentials["okx"]["testnet"]["trade"]


async def test_a_bot_in_any_language_opens_a_post_quantum_release(world: World) -> None:
    user = world.user()
    key = await add_unchecked(user)
    document = await user.add_bot()
    await user.assign(document["id"], key["id"])
    bot = await user.mint(document["id"])
    lattice, point = MLKEM768PrivateKey.generate(), X25519PrivateKey.generate()
    public_key = unpadded(
        lattice.public_key().public_bytes_raw() + point.public_key().public_bytes_raw()
    )

    answer = await bot.post(
        "/v1/runtime/credentials", {"suite": "mlkem768-x25519", "public_key": public_key}
    )

    assert answer.status_code == 200
    suite = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
    private_key = hpke.MLKEM768X25519PrivateKey(lattice, point)
    entered = world.unchecked_key()
    assert opened(answer.json(), suite, private_key) == {
        "api_key": entered["api_key"],
        "api_secret": entered["api_secret"],
    }


async def test_each_release_is_sealed_separately(world: World, asking: Asking) -> None:
    bot, _, _ = await world.user().ready_bot()

    first, second = (await asking.ask(bot)).json(), (await asking.ask(bot)).json()

    assert first["sealed_data_key"] != second["sealed_data_key"]
    assert first["release_id"] != second["release_id"]
    assert first["ciphertext"] == second["ciphertext"]


async def test_a_public_key_that_cannot_be_sealed_to_is_refused_and_not_counted(
    world: World,
) -> None:
    user = world.user()
    bot, _, key = await user.ready_bot()
    good, hybrid = Asking(), Asking(SuiteName.MLKEM768_X25519)
    bodies: list[Any] = [
        {"suite": "x25519", "public_key": unpadded(bytes(32))},
        {"suite": "x25519", "public_key": unpadded(b"\x01" + bytes(31))},
        {"suite": "x25519", "public_key": unpadded(bytes(31))},
        {"suite": "x25519", "public_key": unpadded(bytes(range(33)))},
        {"suite": "x25519", "public_key": hybrid.body["public_key"]},
        {"suite": "mlkem768-x25519", "public_key": good.body["public_key"]},
        {"suite": "mlkem768-x25519", "public_key": unpadded(b"\xff" * 1216)},
        {"suite": "x25519", "public_key": ""},
        {"suite": "x25519", "public_key": "not base64url!"},
        {"suite": "x25519", "public_key": "A" * 41},
        {"suite": "x25519", "public_key": with_stray_bits(good.body["public_key"])},
        {"suite": "rsa", "public_key": good.body["public_key"]},
        {"suite": "x25519"},
        {"public_key": good.body["public_key"]},
        {**good.body, "key_id": key["id"]},
        {},
        None,
        "x25519",
    ]

    for body in bodies:
        answer = await bot.post("/v1/runtime/credentials", body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), body

    assert (await user.get(f"/v1/keys/{key['id']}")).json()["last_release"] is None


async def test_the_padding_of_a_one_time_key_may_be_sent(world: World, asking: Asking) -> None:
    bot, _, _ = await world.user().ready_bot()
    body = {**asking.body, "public_key": asking.body["public_key"] + "="}
    answer = await bot.post("/v1/runtime/credentials", body)
    assert answer.status_code == 200, answer.text


async def test_a_bot_without_a_key_is_refused_for_that_reason(world: World, asking: Asking) -> None:
    user = world.user()
    bot = await user.mint((await user.add_bot())["id"])

    answer = await asking.ask(bot)

    assert (answer.status_code, answer.json()["code"]) == (409, "no_key")
    async with (
        transport(world) as http,
        BotClient("https://botkeys.test", bot.token, transport=http) as client,
    ):
        with pytest.raises(NoKey):
            await client.credentials()


async def test_an_inactive_key_is_released_for_the_exits(world: World, asking: Asking) -> None:
    user = world.user()
    bot, _, key = await user.ready_bot()
    await user.patch(f"/v1/keys/{key['id']}", {"active": False})

    assert (await asking.ask(bot)).status_code == 200


async def test_after_a_swap_the_other_key_is_released(world: World, asking: Asking) -> None:
    user = world.user()
    bot, document, _ = await user.ready_bot()
    other = await user.add_key("trade_2")
    await user.assign(document["id"], other["id"])

    assert (await asking.ask(bot)).json()["key_id"] == other["id"]
    await user.delete(f"/v1/bots/{document['id']}/key")
    assert (await asking.ask(bot)).json()["code"] == "no_key"


async def test_a_former_token_gets_nothing(world: World) -> None:
    user = world.user()
    former, document, _ = await user.ready_bot()
    await user.mint(document["id"])

    async with (
        transport(world) as http,
        BotClient("https://botkeys.test", former.token, transport=http) as client,
    ):
        with pytest.raises(NotAuthenticated):
            await client.credentials()

"""Keys of simulated exchanges: derived, in the real format, and hidden in their repr."""

import base64
import re
import uuid

from app.simulator import Simulator, Variant, credentials
from app.simulator.keys import Material
from app.simulator.venues import VENUES

VARIANTS = {
    "trade",
    "trade_2",
    "other_account",
    "readonly",
    "withdraw",
    "ip_bound",
    "expiring",
    "revoked",
}


def every_text() -> list[str]:
    return [
        text
        for environments in credentials().values()
        for variants in environments.values()
        for key in variants.values()
        for text in key.values()
    ]


def test_every_exchange_has_every_variant_in_both_environments() -> None:
    for exchange, environments in credentials().items():
        assert set(environments) == {"live", "testnet"}, exchange
        for variants in environments.values():
            assert set(variants) == VARIANTS == {variant.value for variant in Variant}


def test_only_exchanges_that_are_simulated_have_keys() -> None:
    assert set(credentials()) == set(VENUES)


def test_keys_are_the_same_on_every_run_and_others_under_another_seed() -> None:
    assert credentials() == credentials()
    assert credentials("one") != credentials("two")
    # Fixed values, so that a change of the derivation is noticed: users have noted these keys.
    assert credentials()["okx"]["testnet"]["trade"]["api_key"] == (
        "03e88e8e-a1f2-41ac-a161-38a2334395f2"
    )


def test_no_two_keys_share_a_text() -> None:
    texts = every_text()
    assert len(set(texts)) == len(texts)


def test_keys_have_the_shape_of_the_exchange() -> None:
    for variants in credentials()["binance"].values():
        for key in variants.values():
            assert set(key) == {"api_key", "api_secret"}
            assert all(re.fullmatch(r"[A-Za-z0-9]{64}", text) for text in key.values())
    for variants in credentials()["okx"].values():
        for key in variants.values():
            assert set(key) == {"api_key", "api_secret", "api_passphrase"}
            assert str(uuid.UUID(key["api_key"])) == key["api_key"]
            assert re.fullmatch(r"[0-9A-F]{32}", key["api_secret"])
            assert 8 <= len(key["api_passphrase"]) <= 32


def test_a_key_shows_no_secret_in_its_repr() -> None:
    simulator = Simulator()
    key = credentials()["okx"]["live"]["trade"]
    known = simulator.keys.find("okx", "live", key["api_key"])
    assert known is not None
    assert not [text for text in key.values() if text in repr(known)]


def test_a_revoked_key_is_known_to_nobody() -> None:
    simulator = Simulator()
    for exchange, environments in credentials().items():
        for environment, variants in environments.items():
            revoked = variants["revoked"]["api_key"]
            assert simulator.keys.find(exchange, environment, revoked) is None


def test_material_comes_in_every_alphabet_that_exchanges_use() -> None:
    material = Material("seed", "any", "live")
    assert re.fullmatch(r"[A-Za-z0-9]{18}", material.alphanumeric("a", 18))
    assert re.fullmatch(r"[1-9]{18}", material.digits("a", 18))
    assert re.fullmatch(r"[0-9a-f]{65}", material.hex("a", 65))
    assert len(base64.b64decode(material.base64("a", 64), validate=True)) == 64
    assert material.hex("a", 64) != material.hex("b", 64)

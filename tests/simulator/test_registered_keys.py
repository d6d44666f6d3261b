"""Public keys that a user registers at a simulated exchange, from another process."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from typer.testing import CliRunner

from app.cli import app
from app.simulator import NotRegistrable, RegisteredKeys, Simulator, credentials
from botkeys.exchanges.errors import CredentialsRefused
from botkeys.exchanges.model import ContractType, Credentials, Environment
from botkeys.exchanges.registry import Exchanges, simulated_hosts
from botkeys.sealing.secret import Secret
from botkeys.transport.client import HttpTransport

PrivateKey = ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def public_pem(private: PrivateKey) -> str:
    public = private.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def private_pem(private: PrivateKey) -> str:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture(scope="module")
def edwards() -> PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


@pytest.fixture(scope="module")
def large() -> PrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.mark.parametrize(
    ("exchange", "algorithm"),
    [("binance", "edwards"), ("bybit", "large"), ("deribit", "edwards")],
)
async def test_a_running_simulator_knows_what_is_registered(
    tmp_path: Path, request: pytest.FixtureRequest, exchange: str, algorithm: str
) -> None:
    own: PrivateKey = request.getfixturevalue(algorithm)
    path = tmp_path / "simulated-keys.json"
    async with (
        Simulator(perpetuals=2, long_listing=2, registered=path) as simulator,
        HttpTransport() as http,
    ):
        adapter = Exchanges(http, hosts=simulated_hosts(simulator.hosts)).adapter(exchange)

        async def check(api_key: str, environment: Environment) -> str:
            parts = Credentials(Secret(api_key), Secret(private_pem(own)))
            report = await adapter.check_credentials(parts, environment, None, ContractType.LINEAR)
            return report.permissions.read

        api_key = RegisteredKeys(path).register(exchange, "testnet", public_pem(own))
        assert await check(api_key, Environment.TESTNET) == "yes"
        with pytest.raises(CredentialsRefused):
            await check(api_key, Environment.LIVE)
        other = "a" if api_key[-1] != "a" else "b"
        with pytest.raises(CredentialsRefused):
            await check(api_key[:-1] + other, Environment.TESTNET)


def test_it_looks_like_a_key_of_the_exchange_and_is_always_the_same(
    tmp_path: Path, edwards: PrivateKey, large: PrivateKey
) -> None:
    keys = RegisteredKeys(tmp_path / "keys.json")
    first = keys.register("binance", "testnet", public_pem(edwards))
    others = {
        keys.register("binance", "live", public_pem(edwards)),
        keys.register("binance", "testnet", public_pem(large)),
        keys.register("deribit", "testnet", public_pem(edwards)),
    }
    assert keys.register("binance", "testnet", f"\n{public_pem(edwards)}\n") == first
    assert len(first) == len(credentials()["binance"]["testnet"]["trade"]["api_key"])
    assert len({first, *others}) == 4
    assert keys.find("binance", "testnet", first) is not None
    assert keys.find("deribit", "testnet", first) is None


@pytest.mark.parametrize(
    ("exchange", "environment", "kind", "message"),
    [
        ("okx", "testnet", "edwards", "okx takes no public keys: binance, bybit, deribit do"),
        ("bybit", "testnet", "edwards", "bybit takes no public keys of this algorithm"),
        ("mtgox", "testnet", "edwards", "no such exchange: mtgox"),
        ("binance", "paper", "edwards", "no such environment: paper"),
        ("binance", "testnet", "nothing", "not a PEM public key"),
        ("binance", "testnet", "curve", "binance takes no public keys of this algorithm"),
    ],
)
def test_what_the_exchange_would_not_take_is_refused(
    tmp_path: Path, edwards: PrivateKey, exchange: str, environment: str, kind: str, message: str
) -> None:
    texts = {
        "edwards": public_pem(edwards),
        "nothing": private_pem(edwards),
        "curve": public_pem(ec.generate_private_key(ec.SECP256R1())),
    }
    path = tmp_path / "keys.json"
    with pytest.raises(NotRegistrable, match=message):
        RegisteredKeys(path).register(exchange, environment, texts[kind])
    assert not path.exists()


def test_the_command_registers_and_says_what_is_wrong(
    tmp_path: Path, edwards: PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOTKEYS_DATA_DIR", str(tmp_path / "data"))
    arguments = ["simulator", "register", "binance", "-"]
    answer = CliRunner().invoke(app, arguments, input=public_pem(edwards))
    assert answer.exit_code == 0, answer.output
    found = RegisteredKeys(tmp_path / "data/simulated-keys.json").find(
        "binance", "testnet", answer.output.strip()
    )
    assert found is not None
    assert found.public_key == public_pem(edwards)
    refused = CliRunner().invoke(app, ["simulator", "register", "okx", "-"], input="")
    assert refused.exit_code == 2
    assert "okx takes no public keys" in refused.output

"""Wrapped master keys with a real OpenBao, and with the KMS of moto, as an operator has them.

`make wrappers` installs both apart; AWS's library is in their environment alone, so the commands
for it get that environment's packages.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.custody.keyfiles import KeyFolder, KeyKind
from tests.processes.running import (
    BOTKEYS,
    Running,
    Service,
    environment,
    eventually,
    free_port,
    output_of,
)

FOLDER = Path(__file__).parents[1] / "real_wrappers"
PROGRAMS = FOLDER / ".venv/bin"
PACKAGES = FOLDER / f".venv/lib/python3.{sys.version_info.minor}/site-packages"
ROOT_TOKEN = "root-of-the-tests"
POLICY = """
path "transit/encrypt/botkeys" { capabilities = ["update"] }
path "transit/decrypt/botkeys" { capabilities = ["update"] }
"""
REGION = "eu-central-1"

pytestmark = [
    pytest.mark.torture,
    pytest.mark.skipif(
        not (FOLDER / ".installed").exists(), reason="`make wrappers` has not been run"
    ),
]


class OpenBao:
    """A development server with a key `botkeys`, and an AppRole that may use it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._client = httpx.Client(
            base_url=f"{address}/v1/", headers={"X-Vault-Token": ROOT_TOKEN}, trust_env=False
        )

    def close(self) -> None:
        self._client.close()

    def answers(self) -> bool:
        try:
            return self._client.get("sys/health").status_code == 200
        except httpx.TransportError:
            return False

    def call(self, method: str, path: str, **body: Any) -> Any:
        answer = self._client.request(method, path, json=body or None)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else {}

    def prepare(self) -> dict[str, Any]:
        """Return the settings of a process that may use the key, and nothing else."""
        self.call("POST", "sys/mounts/transit", type="transit")
        self.call("POST", "transit/keys/botkeys", type="aes256-gcm96")
        self.call("PUT", "sys/policies/acl/botkeys", policy=POLICY)
        self.call("POST", "sys/auth/approle", type="approle")
        self.call("POST", "auth/approle/role/botkeys", token_policies=["botkeys"])
        role_id = self.call("GET", "auth/approle/role/botkeys/role-id")["data"]["role_id"]
        made = self.call("POST", "auth/approle/role/botkeys/secret-id", num_uses=0)
        return {
            "vault_addr": self.address,
            "vault_role_id": role_id,
            "vault_secret_id": made["data"]["secret_id"],
        }


@pytest.fixture(scope="module")
def openbao() -> Iterator[OpenBao]:
    port = free_port()
    running = Running(
        PROGRAMS / "bao",
        "server",
        "-dev",
        "-dev-no-store-token",
        f"-dev-root-token-id={ROOT_TOKEN}",
        f"-dev-listen-address=127.0.0.1:{port}",
        env=environment(),
    )
    try:
        served = OpenBao(f"http://127.0.0.1:{port}")
        assert eventually(served.answers), running.text
        yield served
        served.close()
    finally:
        running.close()


@pytest.fixture(scope="module")
def login(openbao: OpenBao) -> dict[str, Any]:
    return openbao.prepare()


@pytest.fixture(scope="module")
def aws() -> Iterator[dict[str, str]]:
    """Provide the variables by which AWS's library finds moto."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    running = Running(
        PROGRAMS / "moto_server", "-H", "127.0.0.1", "-p", str(port), env=environment()
    )
    try:
        with httpx.Client(trust_env=False) as client:

            def answers() -> bool:
                try:
                    return client.get(f"{address}/moto-api/").status_code == 200
                except httpx.TransportError:
                    return False

            assert eventually(answers), running.text
        yield {
            "AWS_ENDPOINT_URL_KMS": address,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "PLANTED-aws-secret",
            "PYTHONPATH": str(PACKAGES),
        }
    finally:
        running.close()


def key_of_kms(aws: Mapping[str, str]) -> str:
    code = (
        "import json, botocore.session; "
        f"kms = botocore.session.get_session().create_client('kms', region_name='{REGION}'); "
        "print(json.dumps(kms.create_key()['KeyMetadata']['Arn']))"
    )
    arn: str = json.loads(output_of(PROGRAMS / "python", "-c", code, env={**environment(), **aws}))
    return arn


def master_key(env: Mapping[str, str], *arguments: str) -> str:
    return output_of(BOTKEYS, "master-key", *arguments, env=env)


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.glob("*.private")}


def test_the_service_runs_with_keys_that_openbao_wraps(
    login: dict[str, Any], openbao: OpenBao, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    env = environment(data_dir=data, **login)
    keys = data / "keys"
    made = master_key(env, "create", "--wrap-with", "vault-transit", "--key", "botkeys")
    assert f"Created master key 1 in {keys}" in made
    assert "wrapped vault-transit transit botkeys\n" in texts(keys)["master-0001.private"]

    service = Service(data, **login)
    try:
        service.ready()
        with service.http(service.token()) as client:
            assert client.get("/readyz").status_code == 200
            # A second key while it runs: it is wrapped with the newest key of OpenBao.
            openbao.call("POST", "transit/keys/botkeys/rotate")
            master_key(env, "create", "--wrap-with", "vault-transit", "--key", "botkeys")
            assert eventually(lambda: '"versions":[1,2]' in service.text), service.text
        service.stops_by_ctrl_c()
        assert login["vault_secret_id"] not in service.text
    finally:
        service.close()


def test_a_process_that_cannot_log_in_ends_with_a_sentence(
    login: dict[str, Any], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    env = environment(data_dir=data, **login)
    master_key(env, "create", "--wrap-with", "vault-transit", "--key", "botkeys")
    service = Service(data, **{**login, "vault_secret_id": "PLANTED-wrong"})
    try:
        assert service.wait() == 1
        assert "cannot be unwrapped. Vault answered 400 to auth/approle/login." in service.stderr
        assert service.is_clean, service.text
        assert "PLANTED" not in service.text
    finally:
        service.close()


def test_openbao_unwraps_a_seed_for_its_own_version_alone(
    login: dict[str, Any], openbao: OpenBao, tmp_path: Path
) -> None:
    folder = KeyFolder(tmp_path / "keys")
    folder.create_missing([KeyKind.MASTER])
    folder.create_master_key()
    env = environment(keys_dir=folder.path, **login)
    plain = texts(folder.path)
    wrapped = master_key(env, "wrap", "--with", "vault-transit", "--key", "botkeys")
    assert "master-0002.private is wrapped (vault-transit transit botkeys)." in wrapped

    openbao.call("POST", "transit/keys/botkeys/rotate")
    newest = openbao.call("GET", "transit/keys/botkeys")["data"]["latest_version"]
    assert "wrapped again" in master_key(env, "rewrap", "1")
    unwrapped = folder._half(1)
    assert unwrapped.content.startswith(f"vault:v{newest}:".encode())  # type: ignore[union-attr]
    assert "is wrapped (vault-transit" in master_key(env, "status")

    first, second = (folder.path / f"master-000{version}.private" for version in (1, 2))
    moved = second.read_text().split("\n")
    moved[-2] = first.read_text().split("\n")[-2]
    second.write_text("\n".join(moved))
    with pytest.raises(AssertionError, match="Vault answered 400 to transit/decrypt/botkeys"):
        master_key(env, "rewrap", "2")
    assert not any(text.split("\n")[-2] in str(texts(folder.path)) for text in plain.values())


def test_keys_go_from_openbao_to_kms_and_open_the_same(
    login: dict[str, Any], aws: dict[str, str], tmp_path: Path
) -> None:
    folder = KeyFolder(tmp_path / "keys")
    folder.create_missing([KeyKind.MASTER])
    fingerprint = folder.load_private_master_keys()[1].fingerprint
    env = {**environment(keys_dir=folder.path, **login), **aws}
    master_key(env, "wrap", "--with", "vault-transit", "--key", "botkeys")
    arn = key_of_kms(aws)

    assert f"(aws-kms {REGION} {arn})" in master_key(
        env, "rewrap", "--with", "aws-kms", "--key", arn
    )

    text = texts(folder.path)["master-0001.private"]
    assert f"check {fingerprint}\nwrapped aws-kms {REGION} {arn}\n" in text
    assert "wrapped again" in master_key(env, "rewrap")
    (folder.path / "master-0001.public").unlink()
    assert "Created master key 2" in master_key(
        env, "create", "--wrap-with", "aws-kms", "--key", arn
    )
    without = {name: value for name, value in env.items() if name != "PYTHONPATH"}
    with pytest.raises(AssertionError, match=r"needs botkeys-server\[aws\]"):
        master_key(without, "rewrap")

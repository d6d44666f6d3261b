"""A rotation of the master key: refused where it would harm, killed, repeated, run twice."""

import asyncio
import json
from dataclasses import astuple
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import text
from sqlalchemy.engine import RowMapping

from app.custody.keyfiles import KeyFolder, KeyKind
from app.custody.release import Releaser
from app.custody.sealing import Sealer
from app.db.engine import open_database
from botkeys.exchanges.model import Credentials, Environment
from botkeys.sealing.binding import Binding
from botkeys.sealing.secret import Secret
from botkeys.sealing.suites import PrivateKey, SuiteName
from tests.processes.conftest import Run
from tests.processes.logins import Logins
from tests.processes.running import BOTKEYS, Running, environment, eventually

ACCOUNT = UUID("5d3f1bb2-8f64-5b39-9a0e-1f0a6f3e9c11")
BOT = UUID("0195b1c0-61d7-7c42-9e55-0a8b3c7d2f10")
ROWS = 700

INSERT_ACCOUNT = "INSERT INTO accounts (account_id, issuer, subject) VALUES (:account, 'i', 's')"
INSERT_KEY = """
    INSERT INTO keys (account_id, id, label, exchange, environment, contract_type, masked_key,
        fingerprint, active, permission_read, permission_trade, permission_withdraw,
        permission_ip_restricted, verification_status)
    VALUES (:account, :id, 'A key', 'binance', 'testnet', 'linear', '****',
        uuid_send(:id), true, 'unknown', 'unknown', 'unknown', 'unknown', 'skipped')"""
INSERT_CREDENTIAL = """
    INSERT INTO key_credentials (account_id, key_id, version, ciphertext, nonce, sealed_data_key,
        master_key_version)
    VALUES (:account, :id, 1, :ciphertext, :nonce, :sealed_data_key, :master_key_version)"""


RUNNING = """
    INSERT INTO master_key_holders (id, process, versions, seen_at)
    VALUES (:id, :process, :versions, now() + interval '1 hour')"""
REGISTERED = "INSERT INTO master_keys (version, fingerprint) VALUES (:version, :fingerprint)"


def binding(key_id: UUID) -> Binding:
    return Binding(ACCOUNT, key_id, 1, "binance", Environment.TESTNET)


class Vault:
    """A database full of sealed rows, and the folder with the keys to them."""

    def __init__(self, logins: Logins, database: str, folder: Path) -> None:
        self.logins = logins
        self.database = database
        self.folder = KeyFolder(folder)
        self.folder.create_missing([KeyKind.MASTER])

    async def _execute(self, statement: str, rows: list[dict[str, object]]) -> None:
        database = open_database(
            self.logins.postgres.url("postgres", self.database),
            application_name="botkeys-tests",
            pool_size=None,
        )
        async with database.sessions.begin() as session:
            await session.execute(text(statement), rows)

    async def _rows(self) -> list[RowMapping]:
        database = open_database(
            self.logins.postgres.url("postgres", self.database),
            application_name="botkeys-tests",
            pool_size=None,
        )
        async with database.sessions() as session:
            found = await session.execute(text("SELECT * FROM key_credentials"))
            return list(found.mappings())

    def fill(self, count: int) -> None:
        sealer = Sealer(self.folder.load_public_master_keys()[1])
        names = ("ciphertext", "nonce", "sealed_data_key", "master_key_version")
        keys: list[dict[str, object]] = []
        for number in range(1, count + 1):
            key_id = UUID(int=number)
            credentials = Credentials(Secret("key"), Secret(f"secret {key_id}"), None)
            sealed = astuple(sealer.seal(credentials, binding(key_id)))
            keys.append({"account": ACCOUNT, "id": key_id, **dict(zip(names, sealed, strict=True))})
        asyncio.run(self._execute(INSERT_ACCOUNT, [{"account": ACCOUNT}]))
        asyncio.run(self._execute(INSERT_KEY, [{"account": ACCOUNT, "id": k["id"]} for k in keys]))
        asyncio.run(self._execute(INSERT_CREDENTIAL, keys))

    def renew(self) -> None:
        """Make the next master key, and let a runtime process hold it."""
        self.folder.create_master_key()
        self.register()
        self.start_runtime("host-a:1", *self.folder.load_private_master_keys())

    def register(self) -> None:
        rows: list[dict[str, object]] = [
            {"version": version, "fingerprint": key.fingerprint}
            for version, key in self.folder.load_private_master_keys().items()
        ]
        asyncio.run(self._execute(f"{REGISTERED} ON CONFLICT DO NOTHING", rows))

    def start_runtime(self, process: str, *versions: int) -> None:
        """Record a runtime process that runs, as it would do itself."""
        row: dict[str, object] = {"id": uuid4(), "process": process, "versions": list(versions)}
        asyncio.run(self._execute(RUNNING, [row]))

    def garble(self, number: int) -> None:
        statement = "UPDATE key_credentials SET sealed_data_key = :value WHERE key_id = :id"
        row: dict[str, object] = {"id": UUID(int=number), "value": bytes(1168)}
        asyncio.run(self._execute(statement, [row]))

    def rows(self) -> list[RowMapping]:
        return asyncio.run(self._rows())

    def versions(self) -> set[int]:
        return {row["master_key_version"] for row in self.rows()}

    def settings(self, **changes: str) -> dict[str, str]:
        url = self.logins.url("runtime", self.database)
        return environment(**{"keys_dir": self.folder.path, "database_url": url, **changes})

    def all_open(self) -> bool:
        releaser = Releaser(self.folder.load_private_master_keys())
        return all(opened(releaser, row) == f"secret {row['key_id']}" for row in self.rows())


def opened(releaser: Releaser, row: RowMapping) -> str:
    """Return the secret, opened in the same way as in a bot's release."""
    one_time, bound = PrivateKey.generate(SuiteName.X25519), binding(row["key_id"])
    released = releaser.release(
        sealed_data_key=row["sealed_data_key"],
        master_key_version=row["master_key_version"],
        binding=bound,
        bot_id=BOT,
        recipient=one_time.public,
    )
    data_key = one_time.open(released, bound.release_info(BOT))
    plaintext = AESGCM(data_key).decrypt(row["nonce"], row["ciphertext"], bound.seal_data())
    secret: str = json.loads(plaintext)["api_secret"]
    return secret


@pytest.fixture
def vault(production_logins: Logins, tmp_path: Path) -> Vault:
    return Vault(production_logins, asyncio.run(production_logins.migrated()), tmp_path / "keys")


@pytest.fixture
def rotate(run: Run, vault: Vault) -> Run:
    return lambda **changes: run(BOTKEYS, "master-key", "rotate", env=vault.settings(**changes))


def kill_after_a_batch(rotation: Running) -> None:
    assert rotation.says("data keys sealed to master key 2")
    rotation.process.kill()
    rotation.wait()


@pytest.mark.torture
def test_a_rotation_killed_and_then_run_twice_at_once_comes_to_its_end(
    vault: Vault, rotate: Run
) -> None:
    vault.fill(ROWS)
    vault.renew()
    kill_after_a_batch(rotate())
    assert vault.versions() == {1, 2}
    assert vault.all_open()

    together = [rotate(), rotate()]
    assert [rotation.wait() for rotation in together] == [0, 0], together[0].text
    assert vault.versions() == {2}
    assert vault.all_open()
    for rotation in together:
        assert "Master keys older than 2 are unused" in rotation.stdout
        assert rotation.is_clean, rotation.text


@pytest.mark.torture
@pytest.mark.timeout(600)
def test_a_rotation_killed_at_any_moment_leaves_every_row_open(vault: Vault, rotate: Run) -> None:
    vault.fill(4 * ROWS)
    vault.renew()
    kills = 0
    while 1 in vault.versions():
        rotation = rotate()
        before = rotation.stdout
        eventually(lambda r=rotation, b=before: r.stdout != b or r.process.poll() is not None)  # type: ignore[misc]  # bound now
        rotation.process.kill()
        rotation.wait()
        kills += 1
        assert kills < 4 * ROWS
    assert kills > 3
    assert vault.versions() == {2}
    assert vault.all_open()


def test_a_row_that_does_not_open_is_reported_and_does_not_hold_up_the_others(
    vault: Vault, rotate: Run
) -> None:
    vault.fill(5)
    vault.renew()
    vault.garble(2)
    rotation = rotate()
    assert rotation.wait() == 1
    assert "1 data keys cannot be opened" in rotation.stderr
    assert "Master key 1: 1 data keys." in rotation.stdout
    assert "Master key 2: 4 data keys." in rotation.stdout
    assert "unused" not in rotation.stdout
    assert rotation.is_clean, rotation.text


def test_a_rotation_that_would_leave_a_process_without_the_key_is_refused(
    vault: Vault, rotate: Run
) -> None:
    """Nothing is changed until every look at keys, processes and rights has succeeded."""

    def refused(sentence: str, **changes: str) -> None:
        rotation = rotate(**changes)
        assert rotation.wait() == 1
        assert rotation.stderr.startswith("botkeys: ")
        assert sentence in rotation.stderr
        assert rotation.is_clean, rotation.text
        assert vault.versions() == {1}

    vault.fill(3)
    done = rotate()
    assert done.wait() == 0
    assert "there is nothing to do" in done.stdout
    assert sorted(vault.folder.load_private_master_keys()) == [1], "rotating makes no key"

    vault.folder.create_master_key()
    refused("No runtime process is running")
    vault.register()
    vault.start_runtime("host-a:1", 1, 2)
    vault.start_runtime("host-b:7", 1)
    refused("do not hold master key 2 and could release nothing that is sealed to it: host-b:7.")
    refused("may not SELECT", database_url=vault.logins.url("api", vault.database))
    first = vault.folder.path / "master-0001.private"
    first.rename(vault.folder.path.parent / "away")
    refused("not here: master-0001.private")
    (vault.folder.path.parent / "away").rename(first)
    for half in ("private", "public"):
        (vault.folder.path / f"master-0002.{half}").unlink()
    vault.folder.create_master_key()
    refused("master-0002.private: this version is registered for another key")

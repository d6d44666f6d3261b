"""Secrets are sealed only to keys that a runtime process has registered, whatever files say."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import text

from app.custody.errors import MasterKeyConflict
from app.custody.keyfiles import KeyFolder, KeyKind
from app.custody.keyring import ReleasingKeyring, SealingKeyring
from app.custody.master_keys.holder import MasterKeyHolder
from app.custody.master_keys.readiness import registry_fault
from app.custody.role_keys import ApiKeys, RuntimeKeys
from app.db.engine import Database
from botkeys.sealing.boxes import SecretBytes
from tests.support.split import Process, Split
from tests.support.world import application, served


@pytest_asyncio.fixture(autouse=True)
async def registered(split: Split) -> AsyncIterator[None]:
    """Provide a registry with version 1 and no running process; leave one behind."""
    await forget_all_but_the_first(split)
    yield
    await forget_all_but_the_first(split)


async def forget_all_but_the_first(split: Split) -> None:
    await split.write("DELETE FROM master_keys WHERE version > 1", "DELETE FROM master_key_holders")


@pytest.fixture
def private(split: Split, tmp_path: Path) -> KeyFolder:
    """Provide a runtime host's folder of its own."""
    return copied(split.keys, tmp_path / "runtime", "master-0001.private")


@pytest.fixture
def public(split: Split, tmp_path: Path) -> KeyFolder:
    """Provide an api host's folder of its own."""
    return copied(split.keys, tmp_path / "api", "master-0001.public")


def copied(source: KeyFolder, target: Path, *names: str) -> KeyFolder:
    folder = KeyFolder(target)
    folder.create_missing([])
    for name in names:
        shutil.copy(source.path / name, folder.path / name)
    return folder


def stranger(folder: Path) -> KeyFolder:
    """Return the keys of somebody else's installation."""
    keys = KeyFolder(folder)
    keys.create_missing([KeyKind.MASTER])
    return keys


@asynccontextmanager
async def api_with(split: Split, folder: KeyFolder) -> AsyncIterator[Split]:
    """Yield the service with another api process, which has this folder."""
    assert split.api.context.api is not None
    keys = ApiKeys(SealingKeyring(folder), split.api.context.api.fingerprint)
    context = replace(split.api.context, api=keys)
    app = application(context)
    async with served(app) as http:
        yield replace(split, api=Process(context, app, http))


@asynccontextmanager
async def runtime_with(split: Split, folder: KeyFolder) -> AsyncIterator[MasterKeyHolder]:
    """Yield the entry of a runtime process that has started with this folder."""
    holder = MasterKeyHolder(split.runtime.context.database, ReleasingKeyring(folder))
    await holder.start()
    try:
        yield holder
    finally:
        await holder.close()


async def sealed_to(split: Split, key_id: str) -> int:
    async with split.superuser.sessions() as session:
        query = text("SELECT master_key_version FROM key_credentials WHERE key_id = :id")
        version: int = await session.scalar(query, {"id": key_id})
        return version


async def count(split: Split, table: str) -> int:
    async with split.superuser.sessions() as session:
        found: int = await session.scalar(text(f"SELECT count(*) FROM {table}"))  # noqa: S608
        return found


async def test_nothing_is_sealed_to_a_stray_key_of_a_higher_version(
    split: Split, public: KeyFolder, tmp_path: Path
) -> None:
    """Rule R44: a file's name proves nothing."""
    foreign = stranger(tmp_path / "stranger")
    foreign.create_master_key()
    shutil.copy(foreign.path / "master-0002.public", public.path)
    async with api_with(split, public) as service:
        key = await service.add_key("alice", 1)
        bot = await service.add_bot("alice", key["id"])
        async with service.client(bot) as client:
            assert (await client.credentials()).api_key.reveal().endswith("alice1")
        assert (await service.api.http.get("/readyz")).status_code == 200
    assert await sealed_to(split, key["id"]) == 1


async def test_a_wrong_key_of_the_right_name_stores_nothing_and_says_what_to_do(
    split: Split, public: KeyFolder, tmp_path: Path
) -> None:
    """Rule R44, where no other key is held."""
    key = await split.add_key("alice", 1)
    (public.path / "master-0001.public").unlink()
    shutil.copy(stranger(tmp_path / "stranger").path / "master-0001.public", public.path)
    async with api_with(split, public) as service:
        alice = service.user("alice")
        body = {
            "label": "another",
            "exchange": "binance",
            "environment": "testnet",
            "contract_type": "linear",
            "api_key": "a" * 64,
            "api_secret": "s" * 64,
        }
        added = await alice.post("/v1/keys", body)
        replaced = await alice.call(
            "PUT",
            f"/v1/keys/{key['id']}/credentials",
            {"api_key": "b" * 64, "api_secret": "s" * 64},
        )
        ready = await service.api.http.get("/readyz")
    for answer in (added, replaced):
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), answer.text
        assert "Nothing was stored. The operator must copy" in answer.json()["detail"]
        assert int(answer.headers["retry-after"]) > 0
    assert await count(split, "keys") == await count(split, "key_credentials") == 1
    assert ready.status_code == 503
    assert "no runtime process has registered" in ready.json()["checks"]["master_key"]


@pytest.mark.parametrize("first", ["public", "private"])
async def test_the_halves_of_a_new_key_may_be_copied_in_any_order(
    split: Split, public: KeyFolder, private: KeyFolder, tmp_path: Path, first: str
) -> None:
    """Rule R44: every running runtime process can open what is sealed."""
    pair = copied(split.keys, tmp_path / "operator", "master-0001.private", "master-0001.public")
    assert pair.create_master_key() == 2
    other = copied(split.keys, tmp_path / "other", "master-0001.private")
    steps = [("private", private), ("private", other)]
    steps.insert(0 if first == "public" else 2, ("public", public))
    versions = []
    async with (
        api_with(split, public) as service,
        runtime_with(split, private) as one,
        runtime_with(split, other) as two,
    ):
        for number, (half, folder) in enumerate(steps):
            shutil.copy(pair.path / f"master-0002.{half}", folder.path)
            for holder in (one, two):
                await holder.start()  # as `keep_announcing` does within a second
            key = await service.add_key("alice", number)
            versions.append(await sealed_to(split, key["id"]))
    assert versions == [1, 1, 2], "until the last process holds both halves the old key is used"


async def test_of_two_hosts_with_two_keys_for_one_version_one_starts(
    split: Split, private: KeyFolder, tmp_path: Path
) -> None:
    hosts = [private, copied(split.keys, tmp_path / "other", "master-0001.private")]
    keyrings = []
    for host in hosts:
        host.create_master_key()
        keyrings.append(ReleasingKeyring(host))
    database = split.runtime.context.database
    holders = [MasterKeyHolder(database, keyring) for keyring in keyrings]
    results = await asyncio.gather(*(one.start() for one in holders), return_exceptions=True)
    lost = [result for result in results if result is not None]
    (conflict,) = lost
    assert isinstance(conflict, MasterKeyConflict)
    assert conflict.versions == [2]
    assert "master-0002.private" in str(conflict)
    loser = keyrings[results.index(conflict)]
    assert loser.releaser().versions == (1,), "nothing is released with it either"
    assert await fault_of(database, loser) == (
        "version 2 is not the key that had this version before"
    )
    for holder in holders:
        await holder.close()
    assert await count(split, "master_key_holders") == 0


async def fault_of(database: Database, keyring: ReleasingKeyring) -> str | None:
    """Ask in a transaction that could not write."""
    async with database.sessions.begin() as session:
        await session.execute(text("SET TRANSACTION READ ONLY"))
        return await registry_fault(session, None, RuntimeKeys(keyring, SecretBytes(bytes(32))))


async def test_runtime_says_which_key_in_use_it_lacks(split: Split, private: KeyFolder) -> None:
    key = await split.add_key("alice", 1)
    await split.add_key("alice", 2)
    keyring = ReleasingKeyring(private)
    database = split.runtime.context.database
    assert await fault_of(database, keyring) is None
    private.create_master_key()
    (private.path / "master-0001.private").unlink()
    (private.path / "master-0001.public").unlink(missing_ok=True)
    assert await fault_of(database, keyring) == (
        "version 1 is in use, but this process does not hold master-0001.private"
    )
    await split.write("DELETE FROM key_credentials")
    assert await fault_of(database, keyring) is None, "nothing is sealed to it any more"
    assert key["id"]


async def test_only_runtime_registers_keys_and_processes(split: Split) -> None:
    """The database holds it: a process of api that is taken over cannot vouch for a key."""
    forbidden = [
        "INSERT INTO master_keys (version, fingerprint) VALUES (9, 'x')",
        "UPDATE master_keys SET fingerprint = 'x'",
        "DELETE FROM master_keys",
        "INSERT INTO master_key_holders VALUES (gen_random_uuid(), 'x', '{9}', now())",
        "UPDATE master_key_holders SET versions = '{9}'",
        "DELETE FROM master_key_holders",
    ]
    for role in ("api", "worker"):
        async with split.superuser.sessions() as session:
            rights = (
                "SELECT has_table_privilege(:role, t, p) FROM "
                "unnest(ARRAY['master_keys', 'master_key_holders']) AS t, "
                "unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS p"
            )
            found = await session.scalars(text(rights), {"role": f"botkeys_{role}"})
            assert set(found) == {False}
    async with split.api.context.database.sessions() as session:
        for statement in forbidden:
            with pytest.raises(Exception, match="permission denied"):
                await session.execute(text(statement))
            await session.rollback()

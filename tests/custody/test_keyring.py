import shutil
from pathlib import Path
from uuid import UUID

import pytest

from app.custody.errors import KeyFileGarbled, KeyFileMissing, KeyFileUnusable, UnknownMasterKey
from app.custody.keyfiles import KeyFolder, KeyKind
from app.custody.keyring import ReleasingKeyring, SealingKeyring
from app.custody.sealing import Sealed
from botkeys.exchanges.model import Credentials
from botkeys.sealing.binding import Binding
from botkeys.sealing.suites import PrivateKey, SuiteName


@pytest.fixture
def api(folder: KeyFolder, tmp_path: Path) -> KeyFolder:
    """Provide an api process's folder, with only the public half of `folder`'s first master key."""
    folder.create_missing([KeyKind.MASTER])
    api = KeyFolder(tmp_path / "api")
    api.create_missing([])
    hand_over(folder, api, 1)
    return api


def hand_over(runtime: KeyFolder, api: KeyFolder, version: int) -> None:
    name = f"master-{version:04}.public"
    shutil.copy(runtime.path / name, api.path / name)


def release(keyring: ReleasingKeyring, sealed: Sealed, binding: Binding) -> bytes:
    return keyring.releaser().release(
        sealed_data_key=sealed.sealed_data_key,
        master_key_version=sealed.master_key_version,
        binding=binding,
        bot_id=UUID(int=1),
        recipient=PrivateKey.generate(SuiteName.X25519).public,
    )


def test_running_processes_take_up_a_new_master_key(
    folder: KeyFolder, api: KeyFolder, binding: Binding, credentials: Credentials
) -> None:
    sealing, releasing = SealingKeyring(api), ReleasingKeyring(folder)
    assert sorted(sealing.sealers()) == [1]

    assert folder.create_master_key() == 2
    assert releasing.releaser().versions == (1, 2)
    assert sorted(sealing.sealers()) == [1]
    hand_over(folder, api, 2)
    assert sorted(sealing.sealers()) == [1, 2]
    sealed = sealing.sealers()[2].seal(credentials, binding)
    assert sealed.master_key_version == 2
    assert len(release(releasing, sealed, binding)) == 80


def test_nothing_is_loaded_again_while_nothing_changes(folder: KeyFolder, api: KeyFolder) -> None:
    sealing, releasing = SealingKeyring(api), ReleasingKeyring(folder)
    assert sealing.sealers() is sealing.sealers()
    assert releasing.releaser() is releasing.releaser()


def test_a_key_file_that_is_half_copied_leaves_the_last_good_state_in_use(
    folder: KeyFolder, api: KeyFolder
) -> None:
    sealing = SealingKeyring(api)
    folder.create_master_key()
    whole = (folder.path / "master-0002.public").read_bytes()
    arriving = api.path / "master-0002.public"
    arriving.write_bytes(whole[:100])
    arriving.chmod(0o600)
    assert sorted(sealing.sealers()) == [1]
    assert isinstance(sealing.problem, KeyFileGarbled)
    arriving.write_bytes(whole)
    assert sorted(sealing.sealers()) == [1, 2]
    assert sealing.problem is None


def test_a_folder_that_goes_away_and_comes_back_is_reported_and_forgotten(
    folder: KeyFolder, tmp_path: Path
) -> None:
    folder.create_missing([KeyKind.MASTER])
    releasing = ReleasingKeyring(folder)
    folder.path.rename(tmp_path / "away")
    assert releasing.releaser().versions == (1,)
    assert isinstance(releasing.problem, KeyFileUnusable)
    (tmp_path / "away").rename(folder.path)
    assert releasing.releaser().versions == (1,)
    assert releasing.problem is None


def test_a_removed_master_key_releases_nothing_more(
    folder: KeyFolder, api: KeyFolder, binding: Binding, credentials: Credentials
) -> None:
    sealed = SealingKeyring(api).sealers()[1].seal(credentials, binding)
    releasing = ReleasingKeyring(folder)
    folder.create_master_key()
    for half in ("private", "public"):
        (folder.path / f"master-0001.{half}").unlink()
    with pytest.raises(UnknownMasterKey):
        release(releasing, sealed, binding)


def test_a_process_does_not_start_without_its_keys(folder: KeyFolder, api: KeyFolder) -> None:
    with pytest.raises(KeyFileMissing, match="private"):
        ReleasingKeyring(api)
    (api.path / "master-0001.public").unlink()
    with pytest.raises(KeyFileMissing, match="public"):
        SealingKeyring(api)
    with pytest.raises(KeyFileUnusable):
        SealingKeyring(KeyFolder(folder.path / "nowhere"))


def test_a_keyring_of_the_api_role_holds_no_private_key(folder: KeyFolder) -> None:
    # Even if the private half is in the same folder (`--role all`).
    folder.create_missing([KeyKind.MASTER])
    sealing = SealingKeyring(folder)
    assert not hasattr(sealing.sealers()[1]._master, "open")
    assert repr(sealing) == "SealingKeyring(…)"


def test_a_refused_key_releases_nothing_until_its_file_is_another(
    folder: KeyFolder, api: KeyFolder, binding: Binding, credentials: Credentials
) -> None:
    sealed = SealingKeyring(api).sealers()[1].seal(credentials, binding)
    releasing = ReleasingKeyring(folder)
    held = releasing.fingerprints
    releasing.refuse({1: "another key's"})
    assert len(release(releasing, sealed, binding)) == 80
    releasing.refuse(held)
    with pytest.raises(UnknownMasterKey):
        release(releasing, sealed, binding)
    assert releasing.fingerprints == held, "it is still what the folder holds"

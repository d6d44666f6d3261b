"""A process that holds too much or too little does not start, and says why in a sentence."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from app.custody.errors import KeyFileGarbled, KeyFileMissing
from app.custody.keyfiles import KeyFolder
from app.process.server import run_server
from app.process.startup import open_context, prepare_key_folder, webhook_keys
from app.settings import Mode, Role, Settings, SettingsError
from tests.support.database import Server
from tests.support.split import HELD, all_keys, hand_out, production

FORBIDDEN = [
    (Role.API, "master-0001.private"),
    (Role.API, "token-hmac"),
    (Role.RUNTIME, "fingerprint-hmac"),
    (Role.RUNTIME, "webhook-key"),
]
NOWHERE = "postgresql://nobody@/nothing?host=/nowhere"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyFolder:
    return all_keys(tmp_path_factory.mktemp("operator") / "keys")


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(("role", "name"), FORBIDDEN)
def test_a_role_that_could_read_the_other_s_key_does_not_start(
    keys: KeyFolder, tmp_path: Path, role: Role, name: str, mode: Mode
) -> None:
    folder = hand_out(keys, tmp_path / "keys", (*HELD[role], name))
    settings = Settings(mode=mode, keys_dir=folder)
    with pytest.raises(SettingsError, match=name):
        prepare_key_folder(settings, role)
    (folder / name).unlink()
    prepare_key_folder(settings, role)


@pytest.mark.parametrize("role", Role)
def test_production_does_not_start_with_development_s_issuer_key(
    keys: KeyFolder, tmp_path: Path, role: Role
) -> None:
    """With that key anyone could make tokens of any user, wherever development's are accepted."""
    names = HELD.get(role, (*HELD[Role.API], *HELD[Role.RUNTIME]))
    folder = hand_out(keys, tmp_path / "keys", names)
    (folder / "development-issuer").write_text("{}")
    with pytest.raises(SettingsError, match="development-issuer"):
        prepare_key_folder(production(folder, NOWHERE), role)


@pytest.mark.parametrize(
    ("role", "name"),
    [(role, name) for role, names in HELD.items() for name in names if name != "webhook-key"],
)
async def test_a_role_that_lacks_a_key_does_not_start_and_makes_none(
    keys: KeyFolder, tmp_path: Path, role: Role, name: str
) -> None:
    folder = hand_out(keys, tmp_path / "keys", HELD[role])
    (folder / name).unlink()
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(KeyFileMissing):
        async with open_context(production(folder, NOWHERE), role):
            pass
    assert sorted(path.name for path in folder.iterdir()) == before


def test_api_of_an_older_installation_starts_without_the_key_of_webhooks(
    keys: KeyFolder, tmp_path: Path
) -> None:
    names = tuple(name for name in HELD[Role.API] if name != "webhook-key")
    folder = hand_out(keys, tmp_path / "keys", names)
    held = prepare_key_folder(production(folder, NOWHERE), Role.API)
    assert webhook_keys(held) is None
    (folder / "webhook-key").write_text("botkeys webhook-key 1\n")
    (folder / "webhook-key").chmod(0o600)
    with pytest.raises(KeyFileGarbled):
        webhook_keys(held)


async def serve(role: Role, **variables: str) -> tuple[int | None, str]:
    """Return exit status and error output of `botkeys serve`, which must end by itself."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app",
        "serve",
        "--role",
        role,
        env={**kept, "BOTKEYS_PORT": "0", **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, (out + err).decode()


async def test_production_without_an_issuer_says_so_in_a_sentence(
    keys: KeyFolder, tmp_path: Path, server: Server
) -> None:
    folder = hand_out(keys, tmp_path / "keys", HELD[Role.API])
    status, output = await serve(
        Role.API,
        BOTKEYS_KEYS_DIR=str(folder),
        BOTKEYS_DATABASE_URL=server.service,
        BOTKEYS_DATABASE_TLS="any",
    )
    assert status == 1
    assert output.startswith("botkeys: BOTKEYS_OIDC_ISSUER is not set")
    assert "Traceback" not in output


def test_production_without_a_database_says_so_in_a_sentence(
    keys: KeyFolder, tmp_path: Path
) -> None:
    folder = hand_out(keys, tmp_path / "keys", HELD[Role.API])
    settings = Settings(mode=Mode.PRODUCTION, keys_dir=folder, oidc_issuer="https://issuer.test")
    with pytest.raises(SettingsError, match="BOTKEYS_DATABASE_URL is not set"):
        run_server(settings, Role.API)


def test_production_without_a_folder_of_keys_says_so_and_makes_none(tmp_path: Path) -> None:
    folder = tmp_path / "none"
    with pytest.raises(KeyFileMissing, match="the folder of key files does not exist"):
        prepare_key_folder(production(folder, NOWHERE), Role.API)
    assert not folder.exists()

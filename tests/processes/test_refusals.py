"""A fault is reported in a sentence, with status 1, and nothing has been started."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from app.custody.keyfiles import KeyFolder, KeyKind
from tests.processes.conftest import Run, Start
from tests.processes.running import BOTKEYS, environment, long, output_of

KINDS = (KeyKind.MASTER, KeyKind.TOKEN_HMAC, KeyKind.FINGERPRINT_HMAC, KeyKind.AUDIT_HMAC)
NOWHERE = "postgresql://somebody@127.0.0.1:1/nothing"
Spoil = Callable[[Path], None]


def spoilt(folder: Path, spoil: Spoil) -> Path:
    """Return a data folder whose keys were valid until `spoil` changed them."""
    folder.mkdir(mode=0o700)
    KeyFolder(folder / "keys").create_missing(KINDS)
    spoil(folder / "keys")
    return folder


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-7])


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda keys: (keys / "audit-hmac").chmod(0o644), "audit-hmac has mode 0644"),
        long(lambda keys: keys.chmod(0o755), "keys has mode 0755"),
        long(lambda keys: truncate(keys / "token-hmac"), "token-hmac: "),
        long(lambda keys: truncate(keys / "master-0001.private"), "master-0001.private: "),
        long(lambda keys: (keys / "master-0001.private").unlink(), "Restore it from a backup"),
    ],
)
def test_keys_that_are_not_as_they_should_be_stop_the_start(
    start: Start, tmp_path: Path, spoil: Spoil, expected: str
) -> None:
    service = start(spoilt(tmp_path / "data", spoil))
    assert service.wait() == 1
    assert expected in service.stderr
    assert service.is_clean, service.text
    assert not (tmp_path / "data" / "postgres").exists()


@pytest.mark.torture
def test_the_command_in_the_sentence_fixes_the_mode(start: Start, tmp_path: Path) -> None:
    folder = spoilt(tmp_path / "a folder", lambda keys: (keys / "audit-hmac").chmod(0o640))
    service = start(folder)
    assert service.wait() == 1
    output_of("sh", "-c", service.stderr.partition("run: ")[2], env={"PATH": "/usr/bin:/bin"})
    assert (folder / "keys" / "audit-hmac").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("reusable", [True, pytest.param(False, marks=pytest.mark.torture)])
def test_a_port_that_is_taken_stops_the_start(
    start: Start, tmp_path: Path, *, reusable: bool
) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reusable)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        service = start(tmp_path / "data", port=taken.getsockname()[1])
        assert service.wait() == 1
    assert (
        "Set BOTKEYS_PORT to a free port, or stop the process that uses this one" in service.stderr
    )
    assert service.is_clean, service.text
    assert not (tmp_path / "data" / "postgres").exists()


@pytest.mark.torture
def test_a_folder_that_cannot_be_made_stops_the_start(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    service = start(tmp_path / "file" / "data")
    assert service.wait() == 1
    assert f"{tmp_path / 'file' / 'data'} cannot be used" in service.stderr
    assert service.is_clean, service.text


@pytest.mark.parametrize(
    ("command", "settings", "expected"),
    [
        ("dev", {"databse_url": NOWHERE}, "Did you mean BOTKEYS_DATABASE_URL?"),
        long("dev", {"database_url": NOWHERE}, "The database cannot be reached"),
        long("dev", {"mode": "production"}, "use `botkeys serve` in production"),
        long("serve", {"oidc_issuer": "https://issuer.example"}, "DATABASE_URL is not set"),
        long(
            "serve", {"exchanges": "simulated", "database_url": NOWHERE}, "available in development"
        ),
        ("migrate", {"database_url": NOWHERE}, "BOTKEYS_DATABASE_URL connects over TCP without"),
        long(
            "migrate",
            {"database_url": NOWHERE, "database_tls": "any"},
            "The database cannot be reached",
        ),
        long("migrate", {}, "BOTKEYS_DATABASE_URL is not set"),
        long("worker", {}, "BOTKEYS_DATABASE_URL is not set"),
    ],
)
def test_settings_that_cannot_work_are_reported_in_a_sentence(
    run: Run, tmp_path: Path, command: str, settings: dict[str, str], expected: str
) -> None:
    folder = tmp_path / "data"
    process = run(BOTKEYS, command, env=environment(data_dir=folder, **settings))
    assert process.wait() == 1
    assert process.stderr.startswith("botkeys: ")
    assert expected in process.stderr
    assert process.is_clean, process.text
    assert "somebody" not in process.text, "parts of an address may be secret"
    assert not (folder / "postgres").exists()

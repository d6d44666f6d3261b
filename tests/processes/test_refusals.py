"""What is wrong is told in a sentence, with status 1, and nothing has been started."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.vault.keyfiles import KeyFolder, KeyKind
from tests.processes.running import BOTKEYS, Running, Service, environment, said

ROLE_KINDS = (KeyKind.MASTER, KeyKind.TOKEN_HMAC, KeyKind.FINGERPRINT_HMAC, KeyKind.AUDIT_HMAC)
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Running]]:
    """All that must be refused, started at once: each takes its time to import, and little else."""
    with ExitStack() as stack:
        started = _start_all(tmp_path_factory.mktemp("refused"), stack)
        yield started


def _start_all(base: Path, stack: ExitStack) -> dict[str, Running]:
    taken = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    bound = stack.enter_context(socket.socket())
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", 0))
    bound.listen()
    (base / "a file").write_text("")
    services = {
        "port taken": Service(base / "port", port=taken.getsockname()[1]),
        "port taken with SO_REUSEADDR": Service(base / "reuse", port=bound.getsockname()[1]),
        "folder that cannot be made": Service(base / "a file" / "data"),
        "open folder": Service(_keys(base / "open").chmod_folder(0o755)),
        "open file": Service(_keys(base / "file").chmod_file("audit-hmac", 0o644)),
        "garbled file": Service(_keys(base / "garbled").garble("token-hmac")),
        "typo": Service(base / "typo", databse_url=NOWHERE),
        "no database there": Service(base / "nowhere", database_url=NOWHERE),
        "not development": Service(base / "mode", mode="production"),
    }
    commands = {
        "serve without a database": ("serve", {"oidc_issuer": "https://issuer.example"}),
        "migrate without a database": ("migrate", {}),
        "migrate with no database there": ("migrate", {"database_url": NOWHERE}),
        "worker without a database": ("worker", {}),
        "simulated in production": ("serve", {"exchanges": "simulated", "database_url": NOWHERE}),
    }
    running: dict[str, Running] = dict(services)
    for name, (command, settings) in commands.items():
        running[name] = Running(BOTKEYS, command, env=environment(**settings))
    for process in running.values():
        stack.callback(process.close)
    return running


class _keys:  # noqa: N801  # reads as a phrase
    """A data folder with good keys, to be spoilt."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700)
        KeyFolder(folder / "keys").create_missing(ROLE_KINDS)

    def chmod_folder(self, mode: int) -> Path:
        (self.folder / "keys").chmod(mode)
        return self.folder

    def chmod_file(self, name: str, mode: int) -> Path:
        (self.folder / "keys" / name).chmod(mode)
        return self.folder

    def garble(self, name: str) -> Path:
        file = self.folder / "keys" / name
        file.write_bytes(file.read_bytes()[:-7])
        return self.folder


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ("port taken", "Set BOTKEYS_PORT to a free port"),
        ("port taken with SO_REUSEADDR", "Set BOTKEYS_PORT to a free port"),
        ("folder that cannot be made", "cannot be used: Not a directory"),
        ("open folder", "run: chmod 700"),
        ("open file", "run: chmod 600"),
        ("garbled file", "token-hmac"),
        (
            "typo",
            "BOTKEYS_DATABSE_URL is not a setting of Botkeys. Did you mean BOTKEYS_DATABASE_URL?",
        ),
        ("no database there", "The database cannot be reached"),
        ("not development", "use `botkeys serve` in production"),
        ("serve without a database", "BOTKEYS_DATABASE_URL is not set"),
        ("migrate without a database", "BOTKEYS_DATABASE_URL is not set"),
        ("migrate with no database there", "The database cannot be reached"),
        ("worker without a database", "BOTKEYS_DATABASE_URL is not set"),
        ("simulated in production", "BOTKEYS_EXCHANGES=simulated is for development only"),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(
    refused: dict[str, Running], case: str, told: str
) -> None:
    process = refused[case]
    assert process.wait() == 1
    assert told in process.stderr
    assert process.stderr.startswith("botkeys: ")
    assert process.is_clean, process.text
    assert "Botkeys is running" not in process.stdout


def test_a_refused_start_has_not_made_a_database(refused: dict[str, Running]) -> None:
    for process in refused.values():
        process.wait()
        if isinstance(process, Service):
            assert not (process.folder / "postgres").exists()


def test_the_sentence_about_an_open_key_file_names_it_and_its_command_mends_it(
    refused: dict[str, Running],
) -> None:
    process = refused["open file"]
    process.wait()
    assert isinstance(process, Service)
    file = process.folder / "keys" / "audit-hmac"
    assert str(file) in process.stderr
    said("sh", "-c", process.stderr.partition("run: ")[2], env={"PATH": "/usr/bin:/bin"})
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_address_of_the_database_is_not_repeated(refused: dict[str, Running]) -> None:
    process = refused["no database there"]
    process.wait()
    assert "nobody" not in process.text

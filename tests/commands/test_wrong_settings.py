"""Wrong settings of every kind end each command with a sentence: no traceback, and no status 0."""

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.custody.keyfiles import KeyFolder, KeyKind
from app.settings import PREFIX, Settings, SettingsError, load_settings
from botkeys.exchanges.registry import simulated_hosts
from tests.processes import debian
from tests.processes.running import ROOT, environment
from tests.support.database import execute

KINDS = (KeyKind.MASTER, KeyKind.TOKEN_HMAC, KeyKind.FINGERPRINT_HMAC, KeyKind.AUDIT_HMAC)
PLANTED = "pl4nted"
NOWHERE = f"postgresql://{PLANTED}:{PLANTED}@127.0.0.1:1/{PLANTED}"
VALUES = ("", "é\u2028", "[", "-1", "1e999", "nan", "/nonexistent/x", "http://[", "\t")
OPERATION = "0192f0c1-0000-7000-8000-000000000000"

Case = tuple[list[str], dict[str, str]]
COMMANDS = (
    "serve --role api",
    "serve --role runtime",
    "serve --role all",
    "dev",
    "migrate --wait 0",
    "migrate --check",
    "grants",
    "restored --to 2020-01-01T00:00:00",
    "master-key rotate",
    "master-key status",
    "audit verify",
    "audit retire --before 2020-01-01",
    "doctor --role api",
)
"""The commands that need a database that answers, or a process."""

OFFLINE = (
    "token --account alice",
    "dashboard --account alice",
    "master-key create",
    f"operations watch {OPERATION} --account alice",
)
"""The commands that need keys or a service."""

WRONG: dict[str, tuple[str, ...]] = {
    "MODE": ("", "prod"),
    "HOST": ("", "é\u2028", "not a host", "256.0.0.1"),
    "PORT": ("", "0x50", "65536", "é"),
    "OPERATIONS_PORT": ("", "0", "seven"),
    "DATABASE_URL": (
        "",
        "mysql://a@b/c",
        "postgresql://",
        "postgresql://[::1",
        f"postgresql://u:{PLANTED}@127.0.0.1:port/d",
        f"postgresql://u:{PLANTED}@127.0.0.1:99999/d",
        f"postgresql://u:{PLANTED}@127.0.0.1:1/d?sslmode=verify-full&sslrootcert=/nonexistent",
        f"postgresql://u:{PLANTED}@127.0.0.1:1/d?sslmode=perhaps",
        "postgresql://é\u2028@127.0.0.1:1/d",
        "postgresql://u@127.0.0.1:1/d?host=/nonexistent",
    ),
    "DIRECT_DATABASE_URL": ("", "mysql://a@b/c", f"postgresql://u:{PLANTED}@127.0.0.1:port/d"),
    "DATABASE_URL_FILE": ("/nonexistent", "FOLDER", "BINARY"),
    "OIDC_ISSUER": ("", " ", "issuer", "http://issuer.example", "https://", "https://u:p@x", "é"),
    "OIDC_JWKS_URL": ("", "http://issuer.example/keys", "https://[", "é"),
    "OIDC_ALGORITHMS": ("", "HS256", "none"),
    "EXCHANGE_HOSTS": (
        "",
        "{",
        "null",
        "[]",
        '{"binance": 1}',
        '{"nowhere": {}}',
        '{"binance": {"mainnet": {}}}',
        '{"binance": {"testnet": {"rest_linear": "ftp://127.0.0.1"}}}',
        '{"binance": {"testnet": {"rest_linear": "http://[127.0.0.1"}}}',
        '{"binance": {"testnet": {"none": "http://127.0.0.1"}}}',
    ),
    "LIMITS_URL": ("", "http://x", "redis://x:y", "redis://[", f"redis://:{PLANTED}@x:99999"),
    "KEYS_DIR": ("", "/nonexistent", "BINARY", "/dev/null"),
    "DATA_DIR": ("", "BINARY/data", "/dev/null"),
    "CA_FILE": ("", "/nonexistent", "FOLDER", "BINARY"),
    "HTTPS_PROXY": ("", "x", "http://[", f"http://u:{PLANTED}@x:port"),
    "PUBLIC_URL": ("", "x", "http://x.example", "https://x/y"),
    "TRUSTED_PROXIES": ("é", "256.1.1.1/99"),
    "WEBHOOK_ALLOW": ("é", "10.0.0.0/99"),
    "LOG_LEVEL": ("", "loud"),
    "NO_SUCH_SETTING": ("x",),
}


def refused(variables: dict[str, str]) -> str:
    """Return the sentences of the refusal; empty if the settings are taken."""
    try:
        load_settings(variables)
    except SettingsError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_a_value_is_taken_or_refused_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Whatever stands in it; the value itself is never repeated."""
    variable = f"{PREFIX}{name.upper()}"
    for value in VALUES[:6]:
        monkeypatch.setenv(variable, value)
        refusal = refused({variable: value})
        assert not refusal or variable in refusal, f"{value!r}: {refusal}"
        assert len(value) < 3 or value not in refusal


def endings(cases: list[Case], folder: Path) -> list[tuple[int | None, str]]:
    done = subprocess.run(  # our own module
        [sys.executable, "-m", "tests.commands.every_command"],
        input=json.dumps(cases),
        cwd=folder,
        env={**environment(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return [(status, output) for status, output in json.loads(done.stdout.splitlines()[-1])]


@pytest.fixture
def surroundings(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Provide settings with which every command ends: the port is taken, the database refuses."""
    (tmp_path / "FOLDER").mkdir()
    (tmp_path / "BINARY").write_bytes(b"\xff\xfe\x00")
    for role, kept in (("api", ("private", "token")), ("runtime", ("fingerprint",)), ("all", ())):
        folder = KeyFolder(tmp_path / role)
        folder.create_missing(KINDS)
        for file in folder.path.iterdir():
            if any(part in file.name for part in kept):
                file.unlink()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield {
            "MODE": "production",
            "DATABASE_URL": NOWHERE,
            "DATABASE_TLS": "any",
            "OIDC_ISSUER": "http://127.0.0.1:1",
            "PORT": str(taken.getsockname()[1]),
            "EXCHANGE_HOSTS": json.dumps(simulated_hosts({})),
            "DATA_DIR": str(tmp_path / "data"),
            "LOG_LEVEL": "error",
        }


def case(command: str, surroundings: dict[str, str], **changes: str) -> Case:
    here = Path(surroundings["DATA_DIR"]).parent
    parts = command.split()
    role = next((name for name in ("api", "runtime", "all") if name in parts), "runtime")
    settings = {**surroundings, "KEYS_DIR": str(here / role), **changes}
    if command == "dev" or command in OFFLINE:
        settings["MODE"] = changes.get("MODE", "development")
    for name, value in settings.items():
        if value.startswith(("FOLDER", "BINARY")):
            settings[name] = str(here / value)
    if "DATABASE_URL_FILE" in settings:
        del settings["DATABASE_URL"]
    return parts, {f"{PREFIX}{name}": value for name, value in settings.items()}


@pytest.mark.torture
@pytest.mark.timeout(600)
@pytest.mark.parametrize("command", [*COMMANDS, *OFFLINE])
def test_every_wrong_setting_ends_every_command_with_a_sentence(
    surroundings: dict[str, str], tmp_path: Path, command: str
) -> None:
    changes = [(name, value) for name, values in WRONG.items() for value in values]
    cases = [case(command, surroundings, **{name: value}) for name, value in changes]
    for (name, value), (status, output) in zip(changes, endings(cases, tmp_path), strict=True):
        where = f"{command} with {name}={value!r}"
        assert status is not None, f"{where}: {output}"
        assert status != 0 or command in OFFLINE, f"{where}: {output}"
        assert "Traceback" not in output, f"{where}: {output}"
        assert PLANTED not in output, f"{where}: {output}"
        assert status == 0 or output.strip(), where


@pytest.mark.torture
@pytest.mark.timeout(600)
def test_every_state_of_a_database_ends_every_command_with_a_sentence(
    surroundings: dict[str, str], tmp_path: Path
) -> None:
    """A wrong password, a database that is missing, empty or of another program."""
    with debian.debian15() as server:
        server.run("CREATE DATABASE empty", "CREATE DATABASE other")
        other = server.url("postgres", "other")
        made = "CREATE TABLE alembic_version (version_num text)"
        asyncio.run(execute(other, made, "INSERT INTO alembic_version VALUES ('abc')"))
        states = {
            "password": server.url("postgres", "empty").replace(debian.QUOTED, "wrong"),
            "login": server.url("nobody_known", "empty"),
            "missing": server.url("postgres", "missing"),
            "other": other,
            "empty": server.url("postgres", "empty"),
        }
        for state, url in states.items():
            commands = [
                command
                for command in COMMANDS
                if state != "empty" or command not in {"migrate --wait 0", "dev"}
            ]
            cases = [case(command, surroundings, DATABASE_URL=url) for command in commands]
            for command, (status, output) in zip(commands, endings(cases, tmp_path), strict=True):
                assert status, f"{command} on {state}: {status} {output}"
                assert "Traceback" not in output
                assert debian.QUOTED not in output

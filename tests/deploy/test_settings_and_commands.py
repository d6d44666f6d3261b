"""What deploy/ says to the service is what the service understands."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import typer

from app.cli import app
from app.custody.keyfiles import KeyFolder, KeyKind
from app.db.roles import ROLES
from app.settings import PREFIX, Settings, Work, file_variable, load_settings, secret_settings
from tests.deploy.deployed import DEPLOY, UNITS, Deployed, deployed, unit

KNOWN = {PREFIX + name.upper() for name in Settings.model_fields} | {
    file_variable(name) for name in secret_settings()
}
OF_COMPOSE = {"BOTKEYS_IMAGE"}
"""What looks like a setting and is for the shell alone."""
PROCESSES = deployed()
ROLES_WITH_KEYS = ("api", "runtime", "webhooks")


def parsed(arguments: tuple[str, ...]) -> list[str]:
    """Return the names of the commands that the arguments lead to; raise if they are wrong."""
    command: typer.core.TyperGroup | object = typer.main.get_command(app)
    names, rest = [], list(arguments)
    while isinstance(command, typer.core.TyperGroup):
        context = command.make_context("botkeys", rest, resilient_parsing=True)
        name, command, rest = command.resolve_command(context, rest)
        names.append(str(name))
    assert isinstance(command, typer.core.TyperCommand)
    command.make_context(names[-1], rest)
    return names


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.name)
def test_a_process_has_a_command_and_settings_that_exist(
    process: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert parsed(process.command)
    assert process.settings.keys() <= KNOWN
    address = tmp_path / "database-url"
    address.write_text("postgresql://login:password@/botkeys?host=/var/run/postgresql\n")
    for name in list(os.environ):
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)
    for name, value in process.settings.items():
        monkeypatch.setenv(name, str(address) if name == "BOTKEYS_DATABASE_URL_FILE" else value)
    settings = load_settings()
    assert settings.mode == "production"
    if process.role in {"api", "runtime"} and process.name != "image":
        assert settings.oidc_issuer
        assert settings.trusted_proxies
        assert settings.keep_alive_timeout == 75  # nginx keeps an idle connection for 60 s
    if process.command[0] in {"serve", "worker"}:
        assert settings.operations_port not in {None, settings.port}


@pytest.mark.parametrize("platform", ["compose", "kubernetes", "systemd"])
def test_each_platform_runs_every_role_and_every_task(platform: str) -> None:
    run = {process.role for process in PROCESSES if process.name.startswith(platform)}
    assert {"api", "runtime", "migrate", *Work} - {Work.ALL} <= run


def test_no_other_file_names_a_setting_that_does_not_exist() -> None:
    for file in DEPLOY.rglob("*"):
        if file.is_file():
            named = set(re.findall(r"\bBOTKEYS_[A-Z0-9_]+", file.read_text()))
            service_links = {"BOTKEYS_API_PORT"} if file.suffix == ".yaml" else set()
            assert named - KNOWN - OF_COMPOSE - service_links == set(), file


def test_units_have_ports_of_their_own() -> None:
    ports = [
        one.partition("=")[2]
        for file in UNITS
        for one in unit(file)["Environment"]
        if re.match(r"BOTKEYS_(OPERATIONS_)?PORT=", one)
    ]
    assert len(ports) == len(set(ports)) == 7


def test_every_login_is_made_and_a_member_of_its_role() -> None:
    made = re.findall(r"\('(\w+)_login', '(\w+)'\)", (DEPLOY / "database/logins.sql").read_text())
    assert {role for _, role in made} == set(ROLES) - {"botkeys_worker"}
    assert all(role == f"botkeys_{login}" for login, role in made)


def test_each_role_gets_the_key_files_that_it_holds_and_no_others(tmp_path: Path) -> None:
    everything = KeyFolder(tmp_path / "keys")
    everything.create_master_key()
    everything.create_missing(
        [KeyKind.TOKEN_HMAC, KeyKind.FINGERPRINT_HMAC, KeyKind.AUDIT_HMAC, KeyKind.WEBHOOK]
    )
    prepared(tmp_path)
    for role in ROLES_WITH_KEYS:
        folder = KeyFolder(tmp_path / role / "keys")
        assert folder.role_violations(role) == []  # type: ignore[arg-type]  # one of them
    names = {
        role: {file.name for file in (tmp_path / role / "keys").iterdir()}
        for role in ROLES_WITH_KEYS
    }
    assert names == {
        "api": {"master-0001.public", "fingerprint-hmac", "audit-hmac", "webhook-key"},
        "runtime": {"master-0001.private", "token-hmac", "audit-hmac"},
        "webhooks": {"webhook-key"},
    }
    assert not (tmp_path / "purge" / "keys").exists()
    kept = (tmp_path / "api" / "database-url").read_text()

    # Once the keys are elsewhere, another run changes nothing and makes no others.
    for file in everything.path.iterdir():
        file.unlink()
    prepared(tmp_path)
    assert (tmp_path / "api" / "database-url").read_text() == kept
    assert list(everything.path.iterdir()) == []


def prepared(folder: Path) -> None:
    """Run prepare.sh on a folder that has keys, so that it need not make any."""
    environment = {**os.environ, "BOTKEYS": "false", "KEYS_UID": str(os.geteuid())}
    subprocess.run(  # noqa: S603  # our own script
        ["/bin/sh", str(DEPLOY / "prepare.sh"), str(folder)],
        env=environment,
        check=True,
        capture_output=True,
    )

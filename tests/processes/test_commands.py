"""The commands beside the service."""

import asyncio
import json
import resource
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from typer.testing import CliRunner

from app.cli import app
from app.db.schema_version import head
from tests.processes.conftest import Run, Start
from tests.processes.logins import OWNER, WEAK_OWNER, Logins, make_logins, running
from tests.processes.running import (
    BOTKEYS,
    ROOT,
    environment,
    eventually,
    free_ports,
    long,
    output_of,
)
from tests.processes.trading import new_key, sent
from tests.support.database import execute

COMMANDS = [
    (),
    ("dev",),
    ("serve",),
    ("worker",),
    ("migrate",),
    ("health",),
    ("doctor",),
    ("grants",),
    ("restored",),
    ("token",),
    ("openapi",),
    ("master-key",),
    ("master-key", "create"),
    ("master-key", "rotate"),
    ("master-key", "status"),
    ("simulator",),
    ("simulator", "credentials"),
    ("simulator", "serve"),
    ("audit",),
    ("audit", "retire"),
    ("audit", "verify"),
    ("operations",),
    ("operations", "watch"),
]

SLOW_TO_IMPORT = {"asyncpg", "cryptography", "fastapi", "httpx", "sqlalchemy"}


def test_a_token_is_one_jwt_and_can_be_had_before_the_first_start(run: Run, tmp_path: Path) -> None:
    settings = environment(data_dir=tmp_path / "new" / "data")
    process = run(BOTKEYS, "token", "--account", "alice", env=settings)
    assert process.wait() == 0
    assert f"made a new issuer in {tmp_path}" in process.stderr
    again = run(BOTKEYS, "token", "--account", "alice", env=settings)
    assert (again.wait(), again.stderr) == (0, "")
    printed = process.stdout
    assert printed.endswith("\n")
    assert len(printed.split()) == 1
    claims = json.loads(jws.extract_compact(printed.strip().encode()).payload)
    assert claims["sub"] == "alice"
    assert "act_as" not in claims["scope"].split()
    assert (tmp_path / "new" / "data" / "keys").stat().st_mode & 0o777 == 0o700


@pytest.mark.torture
def test_the_service_takes_a_token_made_before_its_first_start(start: Start, data: Path) -> None:
    """Use an existing folder without the issuer's key: both create and share one file."""
    (data / "keys" / "development-issuer").unlink()
    settings = environment(data_dir=data)
    token = output_of(
        BOTKEYS, "token", "--account", "a", "--scopes", "keys:read", env=settings
    ).strip()
    service = start(data)
    service.ready()
    with service.http(token) as http:
        sent(http.get("/v1/keys"), 200)
        assert http.post("/v1/keys", json=new_key()).status_code == 403


def test_unknown_scopes_are_refused_in_a_sentence(run: Run, tmp_path: Path) -> None:
    process = run(
        BOTKEYS,
        "token",
        "--account",
        "alice",
        "--scopes",
        "keys:read keys:reed",
        env=environment(data_dir=tmp_path),
    )
    assert process.wait() == 1
    assert process.stdout == ""
    assert "unknown scopes: 'keys:reed'; valid are: " in process.stderr
    assert process.is_clean


def test_the_simulator_s_keys_are_printed_without_a_running_service(tmp_path: Path) -> None:
    printed = output_of(BOTKEYS, "simulator", "credentials", env=environment(data_dir=tmp_path))
    keys: dict[str, Any] = json.loads(printed)
    assert {"api_key", "api_secret", "api_passphrase"} == keys["okx"]["testnet"]["trade"].keys()
    assert {"api_key", "api_secret"} == keys["binance"]["live"]["withdraw"].keys()
    assert not any(tmp_path.iterdir())


def test_the_document_that_is_printed_is_the_one_in_the_repository() -> None:
    printed = CliRunner().invoke(app, ["openapi"]).stdout
    assert json.loads(printed) == json.loads((ROOT / "openapi" / "openapi.json").read_text())


@pytest.mark.parametrize("command", [(), *(long(command) for command in COMMANDS if command)])
def test_help_needs_none_of_what_is_slow_to_import(run: Run, command: tuple[str, ...]) -> None:
    settings = environment() | {"PYTHONPROFILEIMPORTTIME": "1"}
    process = run(BOTKEYS, *command, "--help", env=settings)
    assert process.wait() == 0, process.text
    assert "Usage: botkeys" in process.stdout
    imported = {line.rpartition("|")[2].strip() for line in process.stderr.splitlines()}
    assert "typer" in imported
    assert imported & SLOW_TO_IMPORT == set()


@pytest.mark.torture
def test_help_takes_less_than_half_a_second() -> None:
    settings = environment()

    def seconds() -> float:
        """Return processor time, which equals the elapsed time on an idle machine."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        output_of(BOTKEYS, "--help", env=settings)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    assert min(seconds() for _ in range(3)) < 0.5


def test_migrations_may_be_run_twice_and_by_two_at_once(
    run: Run, production_logins: Logins
) -> None:
    database = asyncio.run(production_logins.new_database())
    settings = environment(database_url=production_logins.url(OWNER, database))
    together = [run(BOTKEYS, "migrate", env=settings) for _ in range(2)]
    assert [process.wait() for process in together] == [0, 0], together[0].text
    again = output_of(BOTKEYS, "migrate", env=settings)
    assert again == f"The database is at migration {head()}.\n"


def test_an_owner_who_may_not_make_roles_learns_what_to_do(run: Run, tmp_path: Path) -> None:
    with running(tmp_path) as server:
        asyncio.run(make_logins(server))
        database = asyncio.run(server.new_database(WEAK_OWNER))
        settings = environment(database_url=server.url(WEAK_OWNER, database))
        refused = run(BOTKEYS, "migrate", env=settings)
        assert refused.wait() == 1
        advice = refused.stderr.replace("\n", " ").partition("once per server: ")[2]
        assert refused.is_clean, refused.text

        administrator = server.postgres.url("postgres", "postgres")
        asyncio.run(execute(administrator, *advice.strip().split("; ")))
        assert (
            output_of(BOTKEYS, "migrate", env=settings)
            == f"The database is at migration {head()}.\n"
        )


def test_the_simulated_exchanges_are_served_alone_on_fixed_ports(run: Run, tmp_path: Path) -> None:
    base, settings = free_ports(), environment(data_dir=tmp_path / "data")
    written = tmp_path / "exchanges.json"
    command = (BOTKEYS, "simulator", "serve", "--port-base", str(base))
    serving = run(*command, "--write", written, env=settings)
    assert eventually(written.exists), serving.text
    document = json.loads(serving.stdout)
    assert document == json.loads(written.read_text())
    assert document["addresses"]["okx"]["testnet"] == f"http://127.0.0.1:{base + 40}"
    assert document["exchange_hosts"]["okx"]["testnet"]["rest"].endswith(str(base + 40))
    assert set(document["ccxt_urls"]["okx"]["live"].values()) == {f"http://127.0.0.1:{base + 40}"}

    second = run(*command, env=settings)
    assert second.wait() == 1
    assert f"port {base + 20}: Address already in use. --port-base and" in second.stderr

    # The key that is printed works there, and the one that can withdraw is found out.
    chosen = ("--exchange", "okx", "--environment", "testnet", "--variant", "withdraw")
    printed = output_of(BOTKEYS, "simulator", "credentials", *chosen, env=settings)
    checked = subprocess.run(  # noqa: S603  # our own command
        [BOTKEYS, "check", "okx", "-e", "testnet", "--credentials", "-", "--json"],
        input=printed,
        env={**settings, "BOTKEYS_EXCHANGE_HOSTS": json.dumps(document["exchange_hosts"])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert json.loads(checked.stdout)["outcome"] == "dangerous", checked.stderr

    began = time.monotonic()
    serving.ctrl_c()
    assert serving.wait() == 0
    assert time.monotonic() - began < 5  # a fraction of a second on an idle machine
    assert serving.is_clean
    assert not written.exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("serve", "--host", "0.0.0.0"), "can be reached from other machines"),  # noqa: S104
        (("serve", "--port", "okx"), "'okx' is not EXCHANGE=PORT, such as okx=9000"),
        (("credentials", "--variant", "trade"), "--environment and --variant need it"),
        (("credentials", "--exchange", "okx", "--variant", "x"), "There is no variant 'x', but"),
        (("credentials", "--exchange", "okx", "--environment", "demo"), "but there are live,"),
        (("credentials", "--exchange", "ftx"), "There is no exchange 'ftx', but there are bitmex"),
        (("credentials", "--exchange", "okx", "--demo"), "give --environment demo instead"),
    ],
)
def test_wrong_options_of_the_simulator_are_sentences(
    options: tuple[str, ...], sentence: str
) -> None:
    done = CliRunner().invoke(app, ["simulator", *options], env={"COLUMNS": "400"})
    assert done.exit_code == 2
    assert sentence in done.stderr


def test_simulated_credentials_can_be_narrowed() -> None:
    def printed(*options: str) -> Any:
        done = CliRunner().invoke(app, ["simulator", "credentials", *options])
        return json.loads(done.stdout)

    every = printed()
    one = printed("--exchange", "okx", "--variant", "readonly")
    assert one == every["okx"]["testnet"]["readonly"]
    assert printed("--exchange", "okx") == {"okx": every["okx"]}
    demo = printed("--exchange", "bybit", "--environment", "demo")["bybit"]["demo"]
    assert demo == printed("--demo")["bybit"]["testnet"]

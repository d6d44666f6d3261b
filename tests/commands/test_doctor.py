"""`botkeys doctor`: each kind of trouble is found, nothing secret is shown, and it ends in time."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from app import cli
from app.commands.doctor import (
    database,
    disk,
    exchanges,
    issuer,
    key_files,
    ports,
    shared_limits,
    variables,
)
from app.commands.doctor.blocking import in_thread
from app.commands.doctor.examination import CHECKS, examine
from app.commands.doctor.finding import Finding, Level, ok
from app.commands.doctor.part import Part, Subject
from app.custody.keyfiles import SECRETS, KeyFolder, KeyKind
from app.db.schema_version import head
from app.settings import Mode, Settings
from botkeys.exchanges.hosts import layered
from botkeys.exchanges.registry import simulated_hosts
from examples.issuer import issuing
from tests.processes.running import long
from tests.support.database import Server, database_copy, execute

PLANTED = "pl4nted-s3cret"
NOWHERE = f"postgresql://user-{PLANTED}:{PLANTED}@127.0.0.1:1/name-{PLANTED}"
NO_HOSTS = simulated_hosts({})
"""No exchange has a host, so that none is called."""


def subject(part: Part, **settings: Any) -> Subject:
    chosen: dict[str, Any] = {
        "mode": Mode.PRODUCTION,
        "database_tls": "any",
        "exchange_hosts": NO_HOSTS,
        **settings,
    }
    return Subject(Settings(**chosen), part)


async def found(check: ModuleType, who: Subject) -> list[Finding]:
    return await examine(who, (check,))


def bad(findings: list[Finding]) -> list[str]:
    return [f"{one.level} {one.sentence}" for one in findings if one.level is not Level.OK]


def run(folder: Path, *arguments: str, **settings: str) -> tuple[int, str]:
    """Run the command with exactly these settings."""
    variables = {f"BOTKEYS_{name.upper()}": value for name, value in settings.items()}
    done = CliRunner().invoke(
        cli.app,
        ["doctor", *arguments],
        env={"BOTKEYS_DATA_DIR": str(folder / "data"), **variables},
    )
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


@pytest.fixture
async def copy(server: Server) -> AsyncIterator[str]:
    async with database_copy(server) as name:
        yield name


@contextmanager
def silent() -> Iterator[int]:
    """Yield a port on which connections are accepted and nothing is ever answered."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def test_a_developer_s_machine_is_healthy_before_the_first_start(tmp_path: Path) -> None:
    """And it stays as it is: not even the data folder is made."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = str(unused.getsockname()[1])
        status, output = run(tmp_path, port=port)
    assert status == 0, output
    assert all(line.startswith("ok ") for line in output.splitlines()), output
    assert "does not run on" in output
    assert list(tmp_path.iterdir()) == []


def test_wrong_settings_are_faults_of_the_report_and_not_its_end(tmp_path: Path) -> None:
    status, output = run(tmp_path, "--json", port="no", moed="production", log_level=PLANTED)
    assert status == 1
    report = json.loads(output)
    assert not report["healthy"]
    assert PLANTED not in output
    assert "BOTKEYS_MOED" in output


@pytest.mark.parametrize("part", [Part.ALL, *map(long, set(Part) - {Part.ALL})])
def test_no_part_of_a_setting_that_may_be_secret_is_shown(tmp_path: Path, part: Part) -> None:
    """Everything fails here, and still no address, password or key is repeated."""
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    (keys / "token-hmac").write_text(PLANTED)
    with silent() as port:
        status, output = run(
            tmp_path,
            "--role",
            part,
            mode="production",
            database_url=NOWHERE,
            direct_database_url=NOWHERE.replace(":1/", ":2/"),
            replica_database_url=NOWHERE.replace(":1/", ":3/"),
            database_tls="any",
            oidc_issuer=f"http://127.0.0.1:1/{PLANTED}",
            oidc_jwks_url=f"http://127.0.0.1:1/{PLANTED}?key={PLANTED}",
            limits_url=f"redis://:{PLANTED}@127.0.0.1:1/0",
            dashboard="true",
            dashboard_client_secret=PLANTED,
            dashboard_client_id=PLANTED,
            public_url=f"https://{PLANTED}.example",
            keys_dir=str(keys),
            port=str(port),
            exchange_hosts=json.dumps(NO_HOSTS),
        )
    assert status == 1, output
    assert "The database cannot be reached" in output
    assert PLANTED not in output
    assert "Traceback" not in output


async def test_each_trouble_of_a_database_has_its_line(server: Server, copy: str) -> None:
    owner, reader = server.url(copy, superuser=True), server.url(copy)
    who = subject(Part.CATALOGUE, database_url=reader, mode=Mode.DEVELOPMENT)

    async def after(*statements: str) -> str:
        await execute(owner, *statements)
        return "\n".join(bad(await found(database, who)))

    assert await after() == ""
    at = "UPDATE alembic_version SET version_num = '{}'"
    assert f"is at migration 0042, this release needs {head()}" in await after(at.format("0042"))
    assert await after(at.format("9999")) == ""
    assert "none of Botkeys'" in await after(at.format("abc"))
    assert "do not have exactly" in await after(
        at.format(head()), "GRANT ALL ON bots TO botkeys_api"
    )
    assert "may not read which migration" in await after(
        "REVOKE ALL ON bots FROM botkeys_api",
        "REVOKE SELECT ON alembic_version FROM botkeys_api, botkeys_runtime, botkeys_worker,"
        " botkeys_catalogue, botkeys_purge, botkeys_webhooks",
    )
    read_only = f"ALTER DATABASE {copy} SET default_transaction_read_only = on"
    assert "Transactions of this login are read-only" in await after(read_only)

    in_production = subject(Part.CATALOGUE, database_url=reader)
    lines = "\n".join(bad(await found(database, in_production)))
    assert "is also a member of botkeys_api, " in lines
    assert "The login is a superuser" in "\n".join(
        bad(await found(database, subject(Part.API, database_url=owner)))
    )

    other = subject(Part.CATALOGUE, database_url=reader, direct_database_url=server.superuser)
    assert "leads to another database than" in "\n".join(bad(await found(database, other)))
    replica = subject(Part.CATALOGUE, database_url=reader, replica_database_url=reader)
    assert "that is no standby" in "\n".join(bad(await found(database, replica)))
    away = subject(Part.CATALOGUE, database_url=reader, direct_database_url=NOWHERE)
    lines = "\n".join(bad(await found(database, away)))
    assert "The database cannot be reached" in lines
    assert "Is BOTKEYS_DIRECT_DATABASE_URL right?" in lines


async def test_a_server_that_does_not_answer_costs_the_check_its_time_and_no_more() -> None:
    with silent() as port:
        who = subject(
            Part.API,
            database_url=f"postgresql://a@127.0.0.1:{port}/b",
            limits_url=f"redis://127.0.0.1:{port}",
        )
        began = time.monotonic()
        # Longer than the second that the check of limits gives its server, on a busy machine too.
        findings = await examine(who, (database, shared_limits), 4)
        assert time.monotonic() - began < 4 + 2.8
    assert bad(findings)[0] == "fault No answer within 4 s."
    assert "does not answer (TimeoutError)" in bad(findings)[1]


async def test_what_a_check_does_not_expect_is_named_by_its_kind_alone() -> None:
    class Broken(ModuleType):
        NAME = "broken"

        @staticmethod
        async def look(_: Subject) -> AsyncIterator[Finding]:
            yield ok("broken", "Well so far.")
            await in_thread(lambda: {"another": 1}[PLANTED])

    findings = await found(Broken("broken"), subject(Part.API))
    assert [one.sentence for one in findings] == [
        "Well so far.",
        "It cannot be examined (KeyError).",
    ]


async def test_a_thread_that_hangs_keeps_nobody_waiting() -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await in_thread(lambda: time.sleep(0.5))
    assert time.monotonic() - began < 0.4
    await asyncio.sleep(0.5)  # the thread ends and finds nobody


async def test_keys_are_those_of_the_role_and_no_others(tmp_path: Path) -> None:
    everything = KeyFolder(tmp_path / "keys")
    everything.create_missing({KeyKind.MASTER, *SECRETS} - {KeyKind.WEBHOOK})

    async def lines(part: Part, path: Path = everything.path, **settings: Any) -> list[str]:
        return bad(await found(key_files, subject(part, keys_dir=path, **settings)))

    assert "has no webhook-key" in "".join(await lines(Part.ALL))
    everything.create_missing([KeyKind.WEBHOOK])
    assert await lines(Part.ALL) == []
    assert await lines(Part.PURGE, tmp_path / "none") == []
    [line] = await lines(Part.WEBHOOKS)
    assert "must not be able to read" in line
    of_worker = KeyFolder(tmp_path / "worker")
    of_worker.create_missing([KeyKind.WEBHOOK])
    assert await lines(Part.WEBHOOKS, of_worker.path) == []
    (of_worker.path / "webhook-key").unlink()
    assert "which this process needs" in "".join(await lines(Part.WEBHOOKS, of_worker.path))
    assert "no webhooks are sent" in "".join(await lines(Part.WORKER, of_worker.path))
    [line] = await lines(Part.API)
    assert "must not be able to read" in line
    assert "token-hmac" in line
    (everything.path / "audit-hmac").chmod(0o644)
    assert "audit-hmac: other users can read it" in "".join(await lines(Part.ALL))
    (everything.path / "audit-hmac").unlink()
    assert "audit-hmac" in "".join(await lines(Part.ALL))
    assert "does not exist" in "".join(await lines(Part.API, tmp_path / "none"))


async def test_an_issuer_is_asked_for_keys_that_fit_what_is_accepted() -> None:
    async def lines(**settings: Any) -> str:
        return "\n".join(bad(await found(issuer, subject(Part.RUNTIME, **settings))))

    assert "is not set" in await lines()
    assert "BOTKEYS_OIDC_ISSUER must be an address like https" in await lines(
        oidc_issuer="http://issuer.example"
    )
    assert "cannot be reached" in await lines(oidc_issuer="http://127.0.0.1:1")
    with issuing() as running:
        assert await lines(oidc_issuer=running.address) == ""
        assert "None of its keys" in await lines(
            oidc_issuer=running.address, oidc_algorithms=("ES256",)
        )
        assert "names another issuer" in await lines(oidc_issuer=f"{running.address}/")
        assert "status 404" in await lines(
            oidc_issuer=running.address, oidc_jwks_url=f"{running.address}/none"
        )
        assert "authorization_endpoint" in await lines(oidc_issuer=running.address, dashboard=True)


async def test_exchanges_are_called_where_the_settings_lead() -> None:
    hosts = {"okx": {"testnet": {"rest": "http://127.0.0.1:1"}}}
    everywhere = layered(NO_HOSTS, hosts)

    async def lines(part: Part = Part.API, **settings: Any) -> str:
        return "\n".join(bad(await found(exchanges, subject(part, **settings))))

    assert await lines() == "", "an exchange without hosts is not called"
    assert "None is reached" in await lines(exchange_hosts=everywhere)
    assert await lines(Part.PURGE, exchange_hosts=everywhere) == ""
    assert "no such exchange" in await lines(exchange_hosts={"nowhere": {}})
    with issuing() as running:  # any server that answers
        both = {
            "okx": {"testnet": {"rest": running.address}, "live": {"rest": "http://127.0.0.1:1"}}
        }
        line = await lines(exchange_hosts=layered(NO_HOSTS, both))
    assert line.startswith("warning okx live is not reached (ConnectError)")
    assert "None is reached" in await lines(Part.DEV, mode=Mode.DEVELOPMENT, exchange_hosts=hosts)


async def test_a_port_is_free_or_another_program_s() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        free = unused.getsockname()[1]
    assert bad(await found(ports, subject(Part.API, port=free))) == []
    with issuing() as running:
        port = int(running.address.rpartition(":")[2])
        who = subject(Part.PURGE, operations_port=port)
        assert "Another program listens on" in bad(await found(ports, who))[0]
    elsewhere = subject(Part.API, host="192.0.2.1", port=free)
    assert "BOTKEYS_HOST is not an address of this machine" in bad(await found(ports, elsewhere))[0]


async def test_what_would_not_start_is_a_fault_of_the_settings() -> None:
    async def lines(part: Part, **settings: Any) -> str:
        return "\n".join(bad(await found(variables, subject(part, **settings))))

    assert "BOTKEYS_DATABASE_URL is not set" in await lines(Part.PURGE)
    assert "for development only" in await lines(Part.DEV)
    assert "both the keys that seal" in await lines(Part.ALL)
    assert "BOTKEYS_DASHBOARD is true, so" in await lines(Part.API, dashboard=True)


def test_a_disk_is_judged_by_the_room_on_it(tmp_path: Path) -> None:
    levels = [disk.judged(free, tmp_path).level for free in (10**7, 10**9, 10**11)]
    assert levels == [Level.FAULT, Level.WARNING, Level.OK]


def test_the_parts_are_those_of_the_command() -> None:
    assert [name.value for name in cli.PartName] == [part.value for part in Part]
    assert len({check.NAME for check in CHECKS}) == len(CHECKS)

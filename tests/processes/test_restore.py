"""Restores on PostgreSQL 15, by the commands of docs/restore.md as they stand there."""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from examples.issuer import Issuer
from tests.processes import debian
from tests.processes.debian import BINARIES, PASSWORD, Debian15, debian15, private_folder
from tests.processes.production import Installation, installed, is_ready
from tests.processes.running import (
    BOTKEYS,
    ROOT,
    environment,
    eventually,
    free_port,
    output_of,
)
from tests.processes.trading import Trader, new_key, new_trader, sent
from tests.support.logins import documented_logins

pytestmark = [pytest.mark.torture, pytest.mark.timeout(600)]

PAGE = (ROOT / "docs" / "restore.md").read_text()
BLOCKS = re.findall(r"^```(?:sh|ini)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
OWNER, DATABASE = "botkeys_owner", "botkeys"


def block(words: str) -> str:
    """Return the one block of the page that has these words."""
    [found] = [text for text in BLOCKS if words in text]
    return str(found)


def follow(script: str, folder: Path, *, as_server: bool = False, **variables: str) -> str:
    """Run a block in this folder; return what it prints."""
    user = debian.account() if as_server else None
    paths = (BINARIES, BOTKEYS.parent, "/usr/bin", "/bin")
    done = subprocess.run(  # noqa: S603  # commands of our own page
        ["/bin/bash", "-eu", "-c", script],
        cwd=folder,
        env={
            **environment(database_tls="any"),
            "PATH": os.pathsep.join(map(str, paths)),
            **variables,
        },
        user=user.pw_uid if user else None,
        group=user.pw_gid if user else None,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@dataclass(frozen=True, slots=True)
class Named:
    """The logins of docs/deployment.md on a server."""

    server: Debian15

    def url(self, login: str, database: str) -> str:
        return self.server.url(f"{login}_login", database)

    def make(self) -> None:
        self.server.run(
            *(
                f"CREATE ROLE {login}_login LOGIN PASSWORD '{PASSWORD}' IN ROLE {', '.join(roles)}"
                for login, roles in documented_logins().items()
            )
        )


def owner_made(server: Debian15, folder: Path) -> None:
    follow(
        block("CREATE DATABASE botkeys OWNER"),
        folder,
        NEW_ADMINISTRATOR_ADDRESS=server.url("postgres", "postgres"),
        OWNER_PASSWORD=PASSWORD,
    )


@contextmanager
def serving(installation: Installation) -> Iterator[tuple[str, str]]:
    """Run runtime, then api, as the page says; yield the addresses of api and runtime."""
    addresses = {}
    try:
        for role in ("runtime", "api"):
            process, address = installation.serve(role, database_tls="any")
            assert is_ready(process, address), process.text
            addresses[role] = address
        yield addresses["api"], addresses["runtime"]
    finally:
        installation.close()


@dataclass(frozen=True, slots=True)
class Before:
    """A server with an installation on it that a bot has used."""

    server: Debian15
    backups: Path
    installation: Installation
    trader: Trader


def migrated(server: Debian15) -> None:
    settings = environment(database_url=server.url(OWNER, DATABASE), database_tls="any")
    output_of(BOTKEYS, "migrate", env=settings)


@pytest.fixture(scope="module")
def before(
    tmp_path_factory: pytest.TempPathFactory, oidc: Issuer, exchange_hosts: str
) -> Iterator[Before]:
    folder = tmp_path_factory.mktemp("before")
    with ExitStack() as stack:
        backups = stack.enter_context(private_folder())
        follow("mkdir wal", backups, as_server=True)
        lines = block("archive_command").replace("/var/backups/botkeys", str(backups))
        settings = [line.replace(" = ", "=", 1).replace("'", "") for line in lines.splitlines()]
        server = stack.enter_context(debian15(*settings))
        owner_made(server, folder)
        migrated(server)
        logins = Named(server)
        logins.make()
        installation = stack.enter_context(
            installed(folder, logins, DATABASE, oidc, exchange_hosts)
        )
        with serving(installation) as (api, runtime):
            with installation.http(api) as user, installation.http(runtime) as minting:
                trader = new_trader(user, minting, new_key())
            assert trader.opens(runtime)
        yield Before(server, backups, installation, trader)


def healthy(installation: Installation, role: str) -> None:
    """The doctor finds no fault in what a part would start with."""
    doctor = installation.command("doctor", "--role", role, role=role, database_tls="any")
    assert doctor.wait() == 0, doctor.text
    assert "warning  database     The connection to the server is not encrypted." in doctor.text


def audit_intact(installation: Installation, server: Debian15) -> None:
    settings = environment(
        database_url=server.url(OWNER, DATABASE),
        database_tls="any",
        keys_dir=installation.keys_of("runtime"),
    )
    assert "all are intact" in output_of(BOTKEYS, "audit", "verify", env=settings)


def moved(before: Before, server: Debian15) -> Installation:
    """Return the same installation on another server."""
    former = before.installation
    return Installation(
        former.folder, Named(server), DATABASE, former.issuer, former.exchange_hosts
    )


def test_a_dump_is_restored_on_a_server_that_knows_none_of_the_roles(
    before: Before, tmp_path: Path
) -> None:
    with debian15() as server:
        follow(block("pg_dump "), tmp_path, OLD_OWNER_ADDRESS=before.server.url(OWNER, DATABASE))
        owner_made(server, tmp_path)
        address = server.url(OWNER, DATABASE)
        restoring = block("pg_restore ")
        printed = follow(restoring, tmp_path, NEW_OWNER_ADDRESS=address)
        assert "do not have this release's rights" in printed
        assert "have this release's rights, and no others" in printed
        grants = environment(database_url=address, database_tls="any")
        output_of(BOTKEYS, "grants", env=grants)
        assert "the newest" in output_of(BOTKEYS, "migrate", "--check", env=grants)
        Named(server).make()

        installation = moved(before, server)
        for role in ("runtime", "api"):
            healthy(installation, role)
        with serving(installation) as (api, runtime):
            assert before.trader.opens(runtime), "the credentials open on the new server"
            with installation.http(api) as user, installation.http(runtime) as minting:
                listed = sent(user.get("/v1/keys"), 200)["items"]
                assert [key["id"] for key in listed] == [before.trader.key_id]
                assert new_trader(user, minting, new_key("bybit")).opens(runtime)
        audit_intact(installation, server)


def test_a_recovery_to_a_moment_forgets_what_came_after_and_serves_on(
    before: Before, tmp_path: Path
) -> None:
    """Bots accept what is entered afterwards, although they have seen later versions."""
    follow(
        block("pg_basebackup"),
        before.backups,
        as_server=True,
        ADMINISTRATOR_ADDRESS=before.server.url("postgres", "postgres"),
        BACKUPS=str(before.backups),
    )
    key, installation = f"/v1/keys/{before.trader.key_id}", before.installation
    with serving(installation) as (api, runtime), installation.http(api) as user:
        sent(user.patch(key, json={"label": "before the moment"}), 200)
        time.sleep(1.1)
        moment = str(before.server.scalar("SELECT date_trunc('second', now())"))
        time.sleep(1.1)
        sent(user.patch(key, json={"label": "after the moment"}), 200)
        assert before.trader.opens(runtime)
    of_runtime, of_api = installation.running[-2:]
    (tmp_path / "api-1.log").write_text(of_api.text)
    (tmp_path / "runtime-1.log").write_text(of_runtime.text)
    segment = before.server.scalar("SELECT pg_walfile_name(pg_current_wal_lsn())")
    before.server.scalar("SELECT pg_switch_wal()")
    assert eventually((before.backups / "wal" / str(segment)).exists)

    with private_folder() as folder:
        follow(
            block("recovery_target_time"),
            folder,
            as_server=True,
            BACKUPS=str(before.backups),
            NEW_DATA=str(folder / "data"),
            MOMENT=moment,
        )
        server = Debian15(folder, free_port(), folder / "data", ("archive_mode=off",))
        server.start()
        try:
            assert eventually(lambda: server.scalar("SELECT pg_is_in_recovery()") is False)
            recovered(moved(before, server), before.trader, server, tmp_path, moment)
        finally:
            server.stop()


def recovered(
    installation: Installation, trader: Trader, server: Debian15, folder: Path, moment: str
) -> None:
    printed = follow(
        block("botkeys restored"),
        folder,
        BOTKEYS_DATABASE_URL=server.url(OWNER, DATABASE),
        MOMENT_OF_RECOVERY=moment.replace(" ", "T"),
    )
    assert "1 times PATCH /v1/keys/{key_id}" in printed
    assert "1 times POST /v1/runtime/credentials" in printed
    healthy(installation, "runtime")
    key = f"/v1/keys/{trader.key_id}"
    with serving(installation) as (api, runtime), installation.http(api) as user:
        found = sent(user.get(key), 200)
        assert found["label"] == "before the moment"
        assert trader.opens(runtime)
        body = {name: value for name, value in new_key().items() if name.startswith("api_")}
        replaced = sent(user.put(f"{key}/credentials", json=body), 200)
        assert replaced["version"] > found["version"] + 1000, "above any that was given out"
        assert trader.opens(runtime)
    audit_intact(installation, server)

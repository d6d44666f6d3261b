"""What deploy/ prepares, as it runs: its SQL on PostgreSQL, and processes as the image runs them.

No engine for containers is needed: bubblewrap gives a process a root that it cannot write, user
10001 and no capability.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.issuer import Issuer
from tests.processes.debian import Debian15, debian15, needed
from tests.processes.running import BOTKEYS, ROOT, Running, environment, free_port, output_of
from tests.support.database import execute

pytestmark = [pytest.mark.torture, pytest.mark.timeout(300)]

DEPLOY = ROOT / "deploy"
BUBBLEWRAP = Path("/usr/bin/bwrap")
PSQL = Path("/usr/bin/psql")
USER = 10001


@pytest.fixture(scope="module")
def server() -> Iterator[Debian15]:
    with debian15() as running:
        yield running


@pytest.fixture(scope="module")
def prepared(server: Debian15, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide the folder that prepare.sh makes, on a database that has its logins."""
    if os.geteuid() != 0:
        pytest.skip("only root can run a process as user 10001")
    needed(BUBBLEWRAP, PSQL)
    folder = tmp_path_factory.mktemp("prepared")
    for parent in (folder, *folder.parents):
        if "pytest" in parent.name:
            parent.chmod(0o711)  # user 10001 gets to its files
    where = f"@/botkeys?host={server.folder}&port={server.port}"
    # In a container everyone gets to the socket, whose folder is a volume.
    server.folder.chmod(0o711)
    variables = {**environment(), "BOTKEYS": str(BOTKEYS), "DATABASE": where}
    run("/bin/sh", DEPLOY / "prepare.sh", folder, env=variables)
    options = ("--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", "-f")
    run(
        *(PSQL, *options, DEPLOY / "database" / "owner.sql", server.url("postgres", "postgres")),
        env={"OWNER_PASSWORD_FILE": str(folder / "owner" / "password")},
    )
    owner = (folder / "owner" / "database-url").read_text().strip()
    output_of(BOTKEYS, "migrate", env=environment(database_url=owner))
    for _ in range(2):  # a second run changes passwords and fails at nothing
        run(
            *(PSQL, *options, DEPLOY / "database" / "logins.sql", owner),
            env={"PASSWORDS": str(folder)},
        )
    return folder


def run(*command: str | Path, env: dict[str, str]) -> None:
    done = subprocess.run(  # noqa: S603  # our own scripts
        [str(part) for part in command],
        env={"PATH": os.environ["PATH"], **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def contained(server: Debian15, *arguments: str, keys: Path | None, env: dict[str, str]) -> Running:
    """Start `botkeys` as the image does: user 10001, a read-only root, its keys and no more."""
    mounts: list[str | Path] = ["--ro-bind", "/", "/", "--dev", "/dev", "--tmpfs", "/run"]
    mounts += [
        "--perms",
        "0755",
        "--dir",
        "/run/secrets",
        "--perms",
        "0755",
        "--dir",
        "/run/botkeys",
    ]
    mounts += ["--tmpfs", "/tmp", "--ro-bind", server.folder, server.folder]  # noqa: S108
    mounts += ["--ro-bind", ROOT, ROOT, "--ro-bind", sys.prefix, sys.prefix]
    secret = Path(env["BOTKEYS_DATABASE_URL_FILE"])
    mounts += ["--ro-bind", secret, "/run/secrets/database-url"]
    if keys is not None:
        mounts += ["--ro-bind", keys, "/run/botkeys/keys"]
    env = {**env, "BOTKEYS_DATABASE_URL_FILE": "/run/secrets/database-url"}
    setpriv = shutil.which("setpriv")
    assert setpriv is not None
    command: list[str | Path] = [BUBBLEWRAP, *mounts, "--remount-ro", "/run"]
    command += ["--remount-ro", "/tmp", "--unshare-pid", "--proc", "/proc"]  # noqa: S108
    command += ["--die-with-parent", "--chdir", "/"]
    command += [setpriv, f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs"]
    command += ["--bounding-set=-all", "--inh-caps=-all"]
    return Running(
        *command,
        BOTKEYS,
        *arguments,
        env={**env, "PYTHONDONTWRITEBYTECODE": "1", "BOTKEYS_KEYS_DIR": "/run/botkeys/keys"},
    )


def test_every_process_runs_as_user_10001_on_a_root_that_it_cannot_write(
    server: Debian15, prepared: Path, oidc: Issuer
) -> None:
    started: list[Running] = []
    try:
        for role, arguments in (
            ("owner", ("migrate",)),
            ("runtime", ("serve", "--role", "runtime")),
            ("api", ("serve", "--role", "api")),
            ("catalogue", ("worker", "--task", "catalogue")),
            ("purge", ("worker", "--task", "purge")),
            ("webhooks", ("worker", "--task", "webhooks")),
        ):
            port, operations = free_port(), free_port()
            settings = environment(
                database_url_file=prepared / role / "database-url",
                port=port,
                operations_port=operations,
                oidc_issuer=oidc.address,
            )
            keys = prepared / role / "keys"
            process = contained(
                server, *arguments, keys=keys if keys.exists() else None, env=settings
            )
            started.append(process)
            if role == "owner":
                assert process.wait() == 0, process.text
                continue
            asked = Running(
                *(BOTKEYS, "health", "--wait", "60"), env=environment(operations_port=operations)
            )
            assert asked.wait(90) == 0, asked.text + process.text
            [service] = [
                one for one in process.family() if one.uids().real == USER and one.cmdline()
            ][:1]
            status = Path(f"/proc/{service.pid}/status").read_text()
            assert "CapEff:\t0000000000000000" in status
            assert "NoNewPrivs:\t1" in status
        for process in started[1:]:
            for one in process.family():
                if one.uids().real == USER:
                    one.send_signal(signal.SIGTERM)
            assert process.wait() == 0, process.text
            assert process.is_clean, process.text
    finally:
        for process in started:
            process.close()


def test_each_login_has_the_rights_of_its_role_alone(server: Debian15, prepared: Path) -> None:
    def address(role: str) -> str:
        return (prepared / role / "database-url").read_text().strip()

    for role in ("api", "runtime", "catalogue", "purge", "webhooks"):
        asyncio.run(execute(address(role), "SELECT version_num FROM alembic_version"))
    for role in ("api", "catalogue", "purge", "webhooks"):
        with pytest.raises(Exception, match="permission denied"):
            asyncio.run(execute(address(role), "SELECT * FROM bot_tokens"))
    members = server.scalar(
        "SELECT count(*) FROM pg_auth_members AS a JOIN pg_roles AS m ON m.oid = a.member "
        "WHERE m.rolname LIKE '%\\_login'"
    )
    assert members == 5

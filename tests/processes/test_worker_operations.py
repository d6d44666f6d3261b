"""A worker as it is run: what it serves to operators, and on which databases it does not begin."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from examples.issuer import Issuer
from tests.processes.logins import OWNER, Logins
from tests.processes.production import Installation, installed, is_ready
from tests.processes.running import Running, eventually, free_port, log_lines
from tests.support.database import execute

pytestmark = pytest.mark.torture


@pytest.fixture(scope="module")
def installation(
    tmp_path_factory: pytest.TempPathFactory,
    production_logins: Logins,
    oidc: Issuer,
    exchange_hosts: str,
) -> Iterator[Installation]:
    database = asyncio.run(production_logins.migrated())
    folder = tmp_path_factory.mktemp("installation")
    with installed(folder, production_logins, database, oidc, exchange_hosts) as installation:
        yield installation


def started(installation: Installation, **changes: object) -> tuple[Running, str]:
    port = free_port()
    worker = installation.command(
        *("worker", "--task", "purge"),
        role="purge",
        **{"keys_dir": None, "operations_port": port, **changes},
    )
    return worker, f"http://127.0.0.1:{port}"


def change(installation: Installation, *statements: str) -> None:
    url = installation.logins.url("postgres", installation.database)
    asyncio.run(execute(url, *statements))


def test_a_right_that_is_taken_away_is_named_and_its_return_seen(
    installation: Installation,
) -> None:
    change(installation, "REVOKE EXECUTE ON FUNCTION make_audit_months() FROM botkeys_purge")
    worker, address = started(installation)
    assert eventually(lambda: answers(f"{address}/readyz") == 503)
    checks = httpx.get(f"{address}/readyz").json()["checks"]
    assert "such as EXECUTE ON FUNCTION make_audit_months()" in checks["grants"]
    assert httpx.get(f"{address}/livez").status_code == 200
    change(installation, "GRANT EXECUTE ON FUNCTION make_audit_months() TO botkeys_purge")
    assert eventually(lambda: httpx.get(f"{address}/readyz").json()["checks"]["grants"] == "ok"), (
        "its tasks are due hourly"
    )
    worker.process.terminate()
    assert worker.wait() == 0
    assert [line for line in log_lines(worker.stdout) if line["event"] == "login_rights"]


def answers(url: str) -> int | None:
    try:
        return httpx.get(url).status_code
    except httpx.TransportError:
        return None


def test_a_port_that_another_worker_has_is_named(installation: Installation) -> None:
    first, address = started(installation)
    assert is_ready(first, address), first.text
    other, _ = started(installation, operations_port=int(address.rpartition(":")[2]))
    assert other.wait() == 1
    assert "Set BOTKEYS_OPERATIONS_PORT to a free port" in other.stderr
    assert other.is_clean, other.text
    assert httpx.get(f"{address}/livez").status_code == 200


def test_a_database_that_is_not_migrated_ends_the_worker_with_a_sentence(
    installation: Installation, production_logins: Logins
) -> None:
    empty = asyncio.run(production_logins.new_database())
    worker, _ = started(installation, database_url=production_logins.url("purge", empty))
    assert worker.wait() == 1
    assert "The database is at migration none, but this release needs" in worker.stderr
    assert worker.stderr.count("\n") == 1, worker.stderr
    assert worker.is_clean, worker.text


def test_another_s_login_ends_the_worker_with_a_sentence(installation: Installation) -> None:
    worker, _ = started(
        installation,
        database_url=installation.logins.url("runtime", installation.database),
    )
    assert worker.wait() == 1
    assert "it has those of botkeys_runtime. Is BOTKEYS_DATABASE_URL right?" in worker.stderr
    assert worker.is_clean, worker.text


def test_the_owner_s_login_works_and_is_remarked_on(installation: Installation) -> None:
    worker, address = started(
        installation, database_url=installation.logins.url(OWNER, installation.database)
    )
    assert is_ready(worker, address), worker.text
    checks = httpx.get(f"{address}/readyz").json()["checks"]
    assert checks["grants"] == "the login owns the database, or is a superuser"


def test_a_database_that_is_away_is_waited_for(installation: Installation, tmp_path: Path) -> None:
    gone = installation.logins.url("purge", "none").partition("?")[0]
    worker, address = started(installation, database_url=f"{gone}?host={tmp_path}")
    assert worker.says("database_awaited")
    assert httpx.get(f"{address}/livez").status_code == 200
    assert httpx.get(f"{address}/readyz").json()["checks"]["database"] == "unreachable"
    worker.process.terminate()
    assert worker.wait() == 0
    assert worker.is_clean, worker.text

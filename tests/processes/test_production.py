"""Separate roles, as in production: each with its login, its keys, and nothing else."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from app.auth.development_issuer import DevelopmentIssuer
from app.db.engine import open_database
from examples.issuer import Issuer
from tests.processes.logins import Logins
from tests.processes.production import Installation, installed, is_ready
from tests.processes.running import (
    PATIENCE,
    Running,
    environment,
    eventually,
    free_port,
    log_lines,
    long,
    output_of,
)
from tests.processes.trading import Json, new_key, new_trader, sent
from tests.support.database import execute
from tests.support.restarts import Load

NOBODY = 65534
ALTERED_ENTRY_OF_DAVE = """
    UPDATE audit_events SET code = 'not_found' WHERE sequence = 2
        AND account_id = (SELECT account_id FROM accounts WHERE subject = 'dave')"""
REPAIRED_ENTRY_OF_DAVE = """
    UPDATE audit_events SET code = NULL WHERE sequence = 2
        AND account_id = (SELECT account_id FROM accounts WHERE subject = 'dave')"""
ONE_OLD_RECORD_OF_ERIN = """
    UPDATE idempotency_records SET created_at = now() - interval '400 days'
    WHERE (account_id, idempotency_key) = (
        SELECT account_id, min(idempotency_key) FROM idempotency_records JOIN accounts
            USING (account_id) WHERE subject = 'erin' GROUP BY account_id)"""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two api processes and one runtime process on one database."""

    installation: Installation
    api: str
    other_api: str
    runtime: str
    processes: list[Running]


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


@pytest.fixture(scope="module")
def pair(installation: Installation) -> Pair:
    started = [installation.serve(role) for role in ("api", "api", "runtime")]
    for process, address in started:
        assert is_ready(process, address), process.text
    api, other_api, runtime = (address for _, address in started)
    return Pair(installation, api, other_api, runtime, [process for process, _ in started])


def test_a_bot_opens_its_credentials_across_the_two_roles(pair: Pair) -> None:
    with pair.installation.http(pair.api) as api, pair.installation.http(pair.runtime) as runtime:
        trader = new_trader(api, runtime, new_key())
        key = sent(api.get(f"/v1/keys/{trader.key_id}"), 200)
    assert key["verification"]["status"] == "verified"
    assert trader.opens(pair.runtime)


def test_processes_of_one_role_serve_the_same_data(pair: Pair) -> None:
    with (
        pair.installation.http(pair.api, "bob") as one,
        pair.installation.http(pair.other_api, "bob") as other,
    ):
        key = sent(one.post("/v1/keys", json=new_key("binance")), 201)
        assert sent(other.get(f"/v1/keys/{key['id']}"), 200) == sent(
            one.get(f"/v1/keys/{key['id']}"), 200
        )
        again = other.post("/v1/keys", json=new_key("binance"))
        assert (again.status_code, again.json()["code"]) == (409, "key_already_added")


def test_a_role_does_not_have_the_other_s_routes(pair: Pair) -> None:
    with pair.installation.http(pair.api) as api, pair.installation.http(pair.runtime) as runtime:
        assert runtime.get("/v1/keys").status_code == 404
        assert api.get("/v1/runtime/config").status_code == 404


def test_a_token_of_the_development_issuer_is_worth_nothing(pair: Pair) -> None:
    forged = DevelopmentIssuer(pair.installation.folder / "development").token("alice")
    answer = httpx.get(f"{pair.api}/v1/keys", headers={"Authorization": f"Bearer {forged}"})
    assert answer.status_code == 401


def test_every_log_line_is_json_and_no_core_is_dumped(pair: Pair) -> None:
    for process in pair.processes:
        assert log_lines(process.stdout)
        assert process.stderr == ""
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        core = next(line for line in limits.splitlines() if line.startswith("Max core"))
        assert core.split()[4:6] == ["0", "0"]


def test_nobody_but_root_may_look_into_the_process(
    pair: Pair,
) -> None:
    """Check that /proc entries of a process that may not be dumped belong to root."""
    if os.geteuid() != 0:
        assert Path(f"/proc/{pair.processes[0].pid}/environ").stat().st_uid == 0
        return
    # Root's entries are root's anyway, so here a process switches to another user first.
    script = f"""
import os
import resource  # while the standard library can still be read
from botkeys.core_dumps import forbid_core_dumps
os.setgid({NOBODY})
os.setuid({NOBODY})
forbid_core_dumps()
print(os.stat("/proc/self/environ").st_uid, os.stat("/proc/self").st_uid)
"""
    assert output_of(sys.executable, "-c", script, env=environment()).split() == ["0", str(NOBODY)]


def change(installation: Installation, *statements: str) -> None:
    """Execute statements as the server's owner."""
    asyncio.run(execute(installation.logins.url("postgres", installation.database), *statements))


def test_an_altered_audit_entry_is_found(pair: Pair, tmp_path: Path) -> None:
    installation = pair.installation
    with installation.http(pair.api, "dave") as api:
        for number in range(3):
            sent(api.post("/v1/bots", json={"name": f"bot {number}"}), 201)
    heads = str(tmp_path / "heads.json")
    good = installation.command("audit", "verify", "--write", heads, role="api")
    assert good.wait() == 0, good.text
    assert "all are intact" in good.stdout

    change(installation, ALTERED_ENTRY_OF_DAVE)
    found = installation.command("audit", "verify", "--against", heads, role="api")
    assert found.wait() == 1
    assert "entry 2 is missing or altered" in found.stdout
    assert "NOT all are intact" in found.stdout
    assert "Compared with" in found.stdout
    (tmp_path / "heads.json").write_text("{}")
    unusable = installation.command("audit", "verify", "--against", heads, role="api")
    assert unusable.wait() == 2
    assert unusable.text.endswith("is not a whole file of audit heads.\n"), unusable.text
    change(installation, REPAIRED_ENTRY_OF_DAVE)


def test_the_worker_sweeps_old_rows_and_stops_when_it_is_asked_to(pair: Pair) -> None:
    installation = pair.installation
    with installation.http(pair.api, "erin") as api:
        for key in ("old", "new"):
            headers = {"Idempotency-Key": f"{key}-0001"}
            sent(api.post("/v1/bots", json={"name": key}, headers=headers), 201)
    change(installation, ONE_OLD_RECORD_OF_ERIN)
    worker = installation.command("worker", role="worker", keys_dir=None)
    assert worker.says('"event":"swept"')
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0
    assert worker.is_clean, worker.text
    assert [line["rows"] for line in log_lines(worker.stdout) if line["event"] == "swept"] == [1]


def ended(api: httpx.Client, answer: httpx.Response) -> Json:
    """Return the operation that this response started, once it has ended."""
    place = f"/v1/operations/{sent(answer, 202)['id']}"
    assert eventually(lambda: sent(api.get(place), 200)["finished_at"] is not None)
    return sent(api.get(place), 200)


def test_a_life_from_the_first_key_to_the_closed_account_with_every_role_apart(pair: Pair) -> None:
    """Four processes, none of which could do another's work."""
    installation = pair.installation
    ports = {task: free_port() for task in ("catalogue", "purge")}
    workers = [
        installation.command(
            "worker", "--task", task, role=task, keys_dir=None, operations_port=port
        )
        for task, port in ports.items()
    ]
    with (
        installation.http(pair.api, "frank") as api,
        installation.http(pair.runtime, "frank") as runtime,
    ):
        trader = new_trader(api, runtime, new_key())
        assert trader.opens(pair.runtime)
        now = datetime.now(UTC).isoformat()
        trade = {"id": "one", "symbol": "BTC-USDT-SWAP", "side": "long", "quantity": "1"}
        prices = {"entry_price": "97000", "exit_price": "98000", "opened_at": now, "closed_at": now}
        with httpx.Client(
            base_url=pair.runtime, headers={"Authorization": f"Bearer {trader.token}"}
        ) as bot:
            sent(bot.post("/v1/runtime/heartbeat"), 200)
            sent(bot.post("/v1/runtime/trades", json={"items": [trade | prices]}), 200)
        assert len(sent(api.get("/v1/trades?environment=testnet"), 200)["items"]) == 1

        sent(api.delete(f"/v1/bots/{trader.bot_id}/key"), 200)
        deleted = ended(api, api.delete(f"/v1/keys/{trader.key_id}?associated_data=delete"))
        assert (deleted["status"], deleted["receipt"]["deleted"]["trades"]) == ("succeeded", 1)
        data = ended(api, api.post("/v1/data-deletions", json={"scope": "all"}))
        closed = ended(api, api.delete("/v1/account"))
        assert [data["status"], closed["status"]] == ["succeeded", "succeeded"]
        assert api.get("/v1/keys").status_code == 401
    of_catalogue, of_purge = (metrics_of(port) for port in ports.values())
    assert 'botkeys_catalogue_age_seconds{data="prices"' in of_catalogue
    assert 'botkeys_worker_units_total{task="purge"} 3.0' in of_purge
    assert 'botkeys_operations_pending{kind="close_account"} 0.0' in of_purge
    for worker in workers:
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0
        assert worker.is_clean, worker.text
        assert "worker_turn_failed" not in worker.text
    events = {line["event"] for line in log_lines(workers[1].stdout)}
    assert {"purge_batch", "operation_succeeded", "worker_turn"} <= events


def metrics_of(port: int) -> str:
    """Return the metrics of a worker that is alive and ready."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as http:
        assert sent(http.get("/livez"), 200) == {"status": "ok"}
        checks = sent(http.get("/readyz"), 200)["checks"]
        assert checks == dict.fromkeys(("database", "migrations", "grants", "tasks"), "ok")
        return http.get("/metrics").text


def sealed_to(installation: Installation, key_id: str) -> int:
    """Return the version of the master key that a key's data key is sealed to."""

    async def ask() -> int:
        url = installation.logins.url("postgres", installation.database)
        database = open_database(url, application_name="botkeys-tests", pool_size=None)
        query = text("SELECT master_key_version FROM key_credentials WHERE key_id = :id")
        async with database.sessions() as session:
            version: int = await session.scalar(query, {"id": key_id})
            return version

    return asyncio.run(ask())


def keys_held(installation: Installation) -> str:
    status = installation.command("master-key", "status", role="runtime")
    assert status.wait() == 0, status.text
    return status.stdout


def test_the_master_key_is_renewed_while_both_roles_go_on(pair: Pair) -> None:
    installation = pair.installation
    with (
        installation.http(pair.api, "carol") as api,
        installation.http(pair.runtime, "carol") as runtime,
    ):
        older = new_trader(api, runtime, new_key())
        assert "master key 2" in installation.create_master_key()
        installation.hand_out("api")
        between = new_trader(api, runtime, new_key("bybit"))
        assert sealed_to(installation, between.key_id) == 1, "runtime cannot open the new one yet"
        early = installation.command("master-key", "rotate", role="runtime")
        assert early.wait() == 0
        assert "there is nothing to do" in early.stdout
        installation.hand_out("runtime")
        assert eventually(lambda: "holds 1, 2" in keys_held(installation))
        newer = new_trader(api, runtime, new_key("binance"))
    assert [sealed_to(installation, one.key_id) for one in (older, newer)] == [1, 2]
    assert older.opens(pair.runtime)
    assert newer.opens(pair.runtime)

    rotation = installation.command("master-key", "rotate", role="runtime")
    assert rotation.wait() == 0
    assert "Master keys older than 2 are unused" in rotation.stdout
    assert [sealed_to(installation, one.key_id) for one in (older, newer)] == [2, 2]
    (installation.keys_of("runtime") / "master-0001.private").unlink()
    (installation.keys_of("api") / "master-0001.public").unlink()
    assert older.opens(pair.runtime)
    assert httpx.get(f"{pair.api}/readyz").status_code == 200
    assert httpx.get(f"{pair.runtime}/readyz").status_code == 200


@pytest.mark.parametrize(
    ("role", "changes", "given", "expected"),
    [
        long("api", {"oidc_issuer": None}, None, "BOTKEYS_OIDC_ISSUER is not set"),
        long("api", {"database_url": None}, None, "BOTKEYS_DATABASE_URL is not set"),
        long(
            "api", {"keys_dir": "/nonexistent/keys"}, None, "the folder of key files does not exist"
        ),
        long("api", {}, "token-hmac", "must not be able to read token-hmac"),
        ("api", {}, "master-0001.private", "must not be able to read master-0001.private"),
        long("runtime", {}, "fingerprint-hmac", "must not be able to read fingerprint-hmac"),
        long("runtime", {"exchanges": "simulated"}, None, "is only available in development"),
        long("api", {"exchange_hosts": '{"binance":{"moon":{}}}'}, None, "BOTKEYS_EXCHANGE_HOSTS"),
    ],
)
def test_what_production_must_not_be_without_or_with(
    installation: Installation,
    tmp_path: Path,
    role: str,
    changes: dict[str, str | None],
    given: str | None,
    expected: str,
) -> None:
    if given is not None:
        keys = tmp_path / "keys"
        keys.mkdir(mode=0o700)
        for file in (*installation.keys_of(role).iterdir(), installation.keys / given):
            (keys / file.name).write_bytes(file.read_bytes())
            (keys / file.name).chmod(0o600)
        changes = {"keys_dir": str(keys)}
    process, _ = installation.serve(role, **changes)
    assert process.wait() == 1
    assert expected in process.stderr
    assert process.is_clean, process.text


@pytest.mark.parametrize("missing", [long("audit-hmac"), long("fingerprint-hmac")])
def test_a_missing_key_is_named(installation: Installation, tmp_path: Path, missing: str) -> None:
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    for file in installation.keys_of("api").iterdir():
        if file.name != missing:
            (keys / file.name).write_bytes(file.read_bytes())
            (keys / file.name).chmod(0o600)
    process, _ = installation.serve("api", keys_dir=str(keys))
    assert process.wait() == 1
    assert missing in process.stderr
    assert process.is_clean, process.text


def test_a_bare_serve_is_production(installation: Installation) -> None:
    process = installation.command(
        "serve", role="api", oidc_issuer=None, keys_dir=installation.keys
    )
    assert process.wait() == 1
    assert "production mode has no issuer of its own" in process.stderr


@pytest.mark.parametrize("name", ["SIGTERM", long("SIGINT")])
def test_serve_ends_well_when_it_is_asked_to(installation: Installation, name: str) -> None:
    process, address = installation.serve("runtime")
    assert is_ready(process, address), process.text
    process.send(signal.Signals[name])
    assert process.wait() == 0
    assert process.is_clean, process.text


@pytest.mark.parametrize("role", ["api", long("runtime")])
def test_a_process_under_load_stops_without_losing_a_request(
    installation: Installation, role: str
) -> None:
    """R47, R51: and what is for operators has its own port."""
    if role == "api":  # it is ready once the other role has registered the keys
        first, at = installation.serve("runtime")
        assert is_ready(first, at), first.text
        first.send(signal.SIGTERM)
        assert first.wait() == 0
    port = free_port()
    process, address = installation.serve(role, operations_port=port)
    assert is_ready(process, f"http://127.0.0.1:{port}"), process.text
    assert httpx.get(f"{address}/readyz").status_code == 404
    assert httpx.get(f"http://127.0.0.1:{port}/v1/keys").status_code == 404

    load = Load(("127.0.0.1", int(address.rpartition(":")[2])), (0, 0, 0.001, 0.01, 0.1, 0.5))
    with load.running():
        assert eventually(lambda: load.answered.total() > 100)
        process.send(signal.SIGTERM)
        assert process.wait() == 0
    assert load.lost == []
    assert set(load.answered) == {200}
    assert process.is_clean

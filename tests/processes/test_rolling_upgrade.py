"""The release before and this one, side by side on the newer schema, as during a deployment."""

import asyncio
import os
import subprocess
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx
import pytest

from examples.issuer import Issuer
from tests.processes.logins import Logins
from tests.processes.production import Installation, installed
from tests.processes.running import ROOT, Running, eventually
from tests.processes.trading import new_key, new_trader, sent
from tests.support.former_release import COMMIT

pytestmark = [pytest.mark.torture, pytest.mark.timeout(300)]


def git(*arguments: str) -> bytes:
    done = subprocess.run(  # noqa: S603  # reads this repository
        ["git", "-C", str(ROOT), *arguments],  # noqa: S607
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(
            f"this copy has no history, or not the release before: git {arguments[0]} failed"
        )
    return done.stdout


def former_release() -> str:
    """Return the commit named by BOTKEYS_FORMER_RELEASE, or the one that is recorded."""
    return os.environ.get("BOTKEYS_FORMER_RELEASE", COMMIT)


@pytest.fixture(scope="module")
def former(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide the code of the release before."""
    folder = tmp_path_factory.mktemp("former")
    packed = git("archive", former_release(), "app", "sdk", "migrations", "alembic.ini")
    with tarfile.open(fileobj=BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def installation(
    tmp_path: Path, production_logins: Logins, oidc: Issuer, exchange_hosts: str
) -> Iterator[Installation]:
    database = asyncio.run(production_logins.migrated())
    with installed(tmp_path, production_logins, database, oidc, exchange_hosts) as opened:
        yield opened


def lives(process: Running, address: str) -> bool:
    def asked() -> bool:
        try:
            return httpx.get(f"{address}/livez", timeout=10).status_code == 200
        except httpx.TransportError:
            return False

    eventually(lambda: asked() or process.process.poll() is not None)
    return process.process.poll() is None


def test_both_releases_serve_the_same_bots_on_the_newer_schema(
    installation: Installation, former: Path
) -> None:
    address = {}
    for role in ("runtime", "api"):
        for release, (process, at) in (
            ("old", installation.serve_release(former, role)),
            ("new", installation.serve(role)),
        ):
            assert lives(process, at), process.text
            address[release, role] = at

    for exchange, here, there in (("okx", "old", "new"), ("bybit", "new", "old")):
        with (
            installation.http(address[here, "api"]) as api,
            installation.http(address[there, "runtime"]) as runtime,
        ):
            trader = new_trader(api, runtime, new_key(exchange))
            symbol = sent(api.get(f"/v1/keys/{trader.key_id}/instruments?limit=1"), 200)["items"][0]
            asset = {"symbol": symbol["symbol"], "leverage": "1"}
            sent(api.post(f"/v1/keys/{trader.key_id}/assets", json=asset), 201)
        for release in ("old", "new"):
            at = address[release, "runtime"]
            assert trader.opens(at)
            bot = httpx.Client(
                base_url=at, headers={"Authorization": f"Bearer {trader.token}"}, timeout=60
            )
            with bot:
                sent(bot.post("/v1/runtime/heartbeat"), 200)
                assert sent(bot.get("/v1/runtime/config"), 200)["may_open_positions"]
                for status in ("opening", "open", "closed"):
                    report = {
                        "symbol": asset["symbol"],
                        "side": "long",
                        "status": status,
                        "quantity": "1",
                    }
                    path = f"/v1/runtime/positions/{release}"
                    assert sent(bot.put(path, json=report), 200)["status"] == status
        with installation.http(address[there, "api"]) as api:
            sent(api.patch(f"/v1/keys/{trader.key_id}", json={"label": "renamed"}), 200)
            sent(api.delete(f"/v1/bots/{trader.bot_id}/key"), 200)
            assert api.delete(f"/v1/keys/{trader.key_id}").status_code == 200
            assert sent(api.get("/v1/audit-events"), 200)["items"]

"""Analytics and counts from a standby, in production's form: one reads what one wrote."""

from functools import partial
from pathlib import Path

import httpx
import pytest

from examples.issuer import Issuer
from tests.api.test_shares import DEAR, path_of
from tests.processes.clusters import CREATE_DATABASE, CREATE_LOGINS, OWNER, login_of
from tests.processes.debian import Debian15, debian15, standby_of
from tests.processes.production import installed, is_ready
from tests.processes.running import BOTKEYS, eventually, free_port, output_of
from tests.processes.trading import sent, unchecked_key

pytestmark = [pytest.mark.torture, pytest.mark.timeout(300)]
WRITES = 20


class PrimaryLogins:
    def __init__(self, server: Debian15) -> None:
        self.server = server

    def url(self, login: str, database: str) -> str:
        return self.server.url(login_of(login), database)


def test_the_standby_answers_and_is_never_older_than_the_request(
    tmp_path: Path, oidc: Issuer, exchange_hosts: str
) -> None:
    """R99."""
    with debian15() as primary, standby_of(primary) as standby:
        primary.run(*CREATE_DATABASE)
        logins = PrimaryLogins(primary)
        with installed(tmp_path, logins, "botkeys", oidc, exchange_hosts) as production:
            trusted = {"database_tls": "any"}
            output_of(BOTKEYS, "migrate", env=production.settings(OWNER, **trusted))
            primary.run(*CREATE_LOGINS)
            runtime, at = production.serve("runtime", **trusted)
            assert is_ready(runtime, at), runtime.text
            operations = free_port()
            process, address = production.serve(
                "api",
                operations_port=operations,
                replica_database_url=PrimaryLogins(standby).url("api", "botkeys"),
                **trusted,
            )
            assert is_ready(process, address), process.text

            def answered() -> tuple[int, int]:
                text = httpx.get(f"http://127.0.0.1:{operations}/metrics").text
                found = {"replica": 0, "primary": 0}
                for line in text.splitlines():
                    if line.startswith("botkeys_dear_reads_total{"):
                        found[line.split('"')[1]] = int(float(line.rpartition(" ")[2]))
                return found["replica"], found["primary"]

            def bots(api: httpx.Client) -> int:
                return int(sent(api.get("/v1/dashboard"), 200)["bots"]["total"])

            with production.http(address) as api:
                key = sent(api.post("/v1/keys", json=unchecked_key(1)), 201)

                def by_replica(path: str) -> bool:
                    before, _ = answered()
                    sent(api.get(path), 200)
                    return answered()[0] > before

                for route in DEAR:
                    path = path_of(route, key["id"])
                    assert eventually(partial(by_replica, path)), path
                for number in range(WRITES):
                    sent(api.post("/v1/bots", json={"name": f"Bot {number}"}), 201)
                    assert bots(api) == number + 1
                assert eventually(partial(by_replica, "/v1/dashboard"))

                replayed, _ = answered()
                standby.run("SELECT pg_wal_replay_pause()")
                sent(api.post("/v1/bots", json={"name": "Another"}), 201)
                assert bots(api) == WRITES + 1
                assert answered()[0] == replayed
                standby.run("SELECT pg_wal_replay_resume()")
                assert eventually(partial(by_replica, "/v1/dashboard"))

                standby.kill()
                assert bots(api) == WRITES + 1
            assert process.is_clean, process.text

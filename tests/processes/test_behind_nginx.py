"""The proxy of deploy/nginx before real processes, two of each role, which are restarted."""

import asyncio
import json
import os
import re
import signal
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

from examples.issuer import Issuer
from tests.processes.debian import needed
from tests.processes.logins import Logins
from tests.processes.production import Installation, installed
from tests.processes.running import (
    BOTKEYS,
    PATIENCE,
    ROOT,
    Running,
    eventually,
    free_port,
    output_of,
)
from tests.processes.trading import Trader, new_key, new_trader, sent
from tests.support.tls_front import Authority

pytestmark = [pytest.mark.torture, pytest.mark.timeout(300)]

NGINX = ROOT / "deploy" / "nginx"
PROGRAM = Path("/usr/sbin/nginx")
PORTS = {"8011": "api", "8012": "api", "8021": "runtime", "8022": "runtime"}
"""The ports of deploy/nginx/botkeys-upstreams.conf, and the role at each."""


@dataclass(slots=True)
class Site:
    """The proxy and the processes behind it. `processes` are by their port in the configuration."""

    installation: Installation
    authority: Path
    port: int
    plain_port: int
    processes: dict[str, Running] = field(default_factory=dict)
    ports: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def settings(self, named: str) -> dict[str, str]:
        return self.installation.settings(
            PORTS[named],
            trusted_proxies="127.0.0.1",
            keep_alive_timeout=75,
            **self.ports[named],
        )

    def start(self, named: str) -> None:
        """Start a process, and wait as its unit of systemd does."""
        settings = self.settings(named)
        self.processes[named] = Running(BOTKEYS, "serve", "--role", PORTS[named], env=settings)
        self.installation.running.append(self.processes[named])
        output_of(BOTKEYS, "health", "--wait", str(PATIENCE), env=settings)

    def restart(self, named: str) -> None:
        self.processes[named].send(signal.SIGTERM)
        assert self.processes[named].wait() == 0
        self.start(named)

    def http(self, token: str) -> httpx.Client:
        return httpx.Client(
            base_url=self.address,
            headers={"Authorization": f"Bearer {token}"},
            verify=ssl.create_default_context(cafile=str(self.authority)),
            trust_env=False,
            timeout=PATIENCE,
        )

    def user(self, account: str = "alice") -> httpx.Client:
        return self.http(self.installation.issuer.token(account))


@contextmanager
def nginx(
    folder: Path, authority: Authority, ports: dict[str, int], access: str = ""
) -> Iterator[tuple[int, int]]:
    """Run nginx with the configuration of deploy/; yield its ports for https and http.

    `access` stands where the configuration says that rules for bots' routes may stand.
    """
    needed(PROGRAM)
    authority.issue("tls")
    https, http = free_port(), free_port()
    files = {
        "nginx.conf.main": (NGINX / "nginx.conf")
        .read_text()
        .replace("/etc/nginx/conf.d", str(folder))
        .replace("/tmp", str(folder)),  # noqa: S108
        "botkeys.conf": (NGINX / "botkeys.conf")
        .read_text()
        .replace("/etc/nginx/tls", str(folder))
        .replace("# To keep bots' routes to", f"{access} #")
        .replace("listen 443", f"listen 127.0.0.1:{https}")
        .replace("listen 80", f"listen 127.0.0.1:{http}")
        .replace("listen [::]:443", f"listen [::1]:{https}")
        .replace("listen [::]:80", f"listen [::1]:{http}"),
        "botkeys-upstreams.conf": re.sub(
            r"127\.0\.0\.1:(\d+)",
            lambda found: f"127.0.0.1:{ports[found[1]]}",
            (NGINX / "botkeys-upstreams.conf").read_text(),
        ),
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    user = " user root;" if os.geteuid() == 0 else ""
    process = Running(PROGRAM, "-c", folder / "nginx.conf.main", "-g", f"daemon off;{user}", env={})
    try:
        assert eventually(lambda: _accepts(https)), process.text
        yield https, http
    finally:
        process.send(signal.SIGQUIT)
        process.close()
        assert "[emerg]" not in process.text


def _accepts(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory,
    production_logins: Logins,
    oidc: Issuer,
    exchange_hosts: str,
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    database = asyncio.run(production_logins.migrated())
    authority = Authority(folder, "authority")
    ports = {named: free_port() for named in PORTS}
    with (
        installed(folder, production_logins, database, oidc, exchange_hosts) as installation,
        nginx(folder, authority, ports) as (https, http),
    ):
        opened = Site(installation, authority.path, https, http)
        for named, port in ports.items():
            opened.ports[named] = {"port": port, "operations_port": free_port()}
        for named in sorted(PORTS, key=PORTS.__getitem__, reverse=True):  # runtime first
            opened.start(named)
        yield opened


@pytest.fixture(scope="module")
def trader(site: Site) -> Trader:
    with site.user() as user:
        return new_trader(user, user, new_key())


def test_a_key_is_added_and_released_through_the_proxy(
    site: Site, trader: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOTKEYS_CA_FILE", str(site.authority))
    assert trader.opens(site.address)
    with site.user() as user:
        answer = user.get(f"/v1/keys/{trader.key_id}")
        assert sent(answer, 200)["verification"]["status"] == "verified"
        assert answer.headers["strict-transport-security"] == "max-age=63072000"
        assert answer.headers["cache-control"] == "no-store"
        for path in ("/metrics", "/readyz", "/docs", "/openapi.json"):
            assert user.get(path).status_code == 404, path
        assert user.get("/livez").status_code == 200


def test_the_caller_s_address_is_that_of_its_connection_whatever_it_states(site: Site) -> None:
    context = ssl.create_default_context(cafile=str(site.authority))
    elsewhere = httpx.HTTPTransport(verify=context, local_address="127.0.0.2")
    claims = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
    token = site.installation.issuer.token("carol")
    with httpx.Client(transport=elsewhere, timeout=PATIENCE, base_url=site.address) as client:
        client.headers.update({"Authorization": f"Bearer {token}", **claims})
        sent(client.post("/v1/bots", json={"name": "Grid BTC"}), 201)
        entries = sent(client.get("/v1/audit-events"), 200)["items"]
    assert {entry["address"] for entry in entries} == {"127.0.0.2"}


def test_access_rules_hold_for_all_of_bots_routes_and_for_no_other(
    site: Site, trader: Trader, tmp_path: Path
) -> None:
    authority = Authority(tmp_path, "authority")
    ports = {named: settings["port"] for named, settings in site.ports.items()}
    context = ssl.create_default_context(cafile=str(authority.path))
    document = json.loads((ROOT / "openapi" / "openapi.json").read_text())
    bots = [path for path in document["paths"] if path.startswith("/v1/runtime/")]
    bearer = {"Authorization": f"Bearer {trader.token}"}
    with nginx(tmp_path, authority, ports, "deny 127.0.0.2;") as (https, _):
        found: dict[str, dict[str, int]] = {}
        for address in ("127.0.0.1", "127.0.0.2"):
            transport = httpx.HTTPTransport(verify=context, local_address=address)
            with httpx.Client(transport=transport, timeout=PATIENCE, headers=bearer) as client:
                found[address] = {}
                for path in [*bots, "/livez"]:
                    where = f"https://127.0.0.1:{https}{path.replace('{id}', 'x')}"
                    with client.stream("GET", where) as answer:
                        found[address][path] = answer.status_code
    assert found["127.0.0.2"] == dict.fromkeys(bots, 403) | {"/livez": 200}
    assert 403 not in found["127.0.0.1"].values()
    assert found["127.0.0.1"]["/v1/runtime/stream"] == 200


def test_heartbeats_share_connections_to_the_processes_and_other_calls_have_their_own(
    site: Site, trader: Trader
) -> None:
    ports = {site.ports[named]["port"] for named, role in PORTS.items() if role == "runtime"}

    def ended() -> int:
        """Return how many connections between proxy and processes have ended within a minute."""
        found = psutil.net_connections("tcp4")
        ends = [(one.laddr, one.raddr) for one in found if one.status == psutil.CONN_TIME_WAIT]
        return sum(not ports.isdisjoint(end.port for end in both if end) for both in ends)

    with site.http(trader.token) as bot:
        before = ended()
        for _ in range(20):
            sent(bot.post("/v1/runtime/heartbeat"), 200)
        beats = ended() - before
        for number in range(20):
            sent(bot.put(f"/v1/runtime/positions/kept-{number}", json={}), 422)
        others = ended() - before - beats
    assert beats <= 1
    assert others >= 15


def test_a_token_that_came_in_the_clear_is_not_passed_on(site: Site) -> None:
    plain = f"http://127.0.0.1:{site.plain_port}"
    refused = httpx.get(f"{plain}/v1/keys", headers={"Authorization": "Bearer x"}, trust_env=False)
    assert (refused.status_code, refused.json()["code"]) == (403, "https_required")
    page = httpx.get(f"{plain}/keys?from=1", trust_env=False)
    assert (page.status_code, page.headers["location"]) == (308, "https://127.0.0.1/keys?from=1")


def test_a_bot_sees_a_change_at_once_on_its_stream(site: Site, trader: Trader) -> None:
    with (
        site.user() as user,
        site.http(trader.token) as bot,
        bot.stream("GET", "/v1/runtime/stream") as stream,
    ):
        events = (json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: "))
        assert next(events)
        began = time.monotonic()
        sent(user.patch(f"/v1/bots/{trader.bot_id}", json={"paused": True}), 200)
        assert next(events)
        assert time.monotonic() - began < 3  # nginx would hold it back until a buffer is full
        sent(user.patch(f"/v1/bots/{trader.bot_id}", json={"paused": False}), 200)


@dataclass(slots=True)
class Callers:
    """Clients that read and write without a pause, and count what they are answered."""

    site: Site
    token: str
    answered: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    _done: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[None]:
        calls = [self._read_keys, self._add_bots, self._beat, self._read_config]
        threads = [threading.Thread(target=call) for call in calls]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._done.set()
            for thread in threads:
                thread.join(PATIENCE)

    def go_on(self) -> bool:
        """Return whether each of them gets some more answers."""
        before = self.answered.copy()
        return eventually(lambda: all(self.answered[one] > before[one] + 5 for one in before))

    def _read_keys(self) -> None:
        self._repeat("GET", "/v1/keys", "bob")

    def _add_bots(self) -> None:
        self._repeat("POST", "/v1/bots", "bob")

    def _beat(self) -> None:
        self._repeat("POST", "/v1/runtime/heartbeat", None)

    def _read_config(self) -> None:
        self._repeat("GET", "/v1/runtime/config", None)

    def _repeat(self, method: str, path: str, account: str | None) -> None:
        client = self.site.http(self.token) if account is None else self.site.user(account)
        with client:
            while not self._done.is_set():
                body = {"name": f"bot {time.monotonic_ns()}"} if path == "/v1/bots" else None
                try:
                    answer = client.request(method, path, json=body)
                except httpx.TransportError as error:
                    self.lost.append(f"{method} {path}: {error!r}")
                    continue
                if answer.is_success:
                    self.answered[path] += 1
                else:
                    self.lost.append(f"{method} {path}: {answer.status_code} {answer.text}")
                time.sleep(0.01)


def test_one_process_after_the_other_is_restarted_without_a_failed_request(
    site: Site, trader: Trader
) -> None:
    callers = Callers(site, trader.token)
    with callers.running():
        assert eventually(lambda: len(callers.answered) == 4)
        for named in PORTS:
            site.restart(named)
            assert callers.go_on()
    assert callers.lost == []
    with site.user("bob") as user:
        listed, cursor = 0, ""
        while True:
            page = sent(user.get(f"/v1/bots?limit=100{cursor}"), 200)
            listed += len(page["items"])
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
    assert listed == callers.answered["/v1/bots"]  # each was added once

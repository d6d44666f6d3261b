"""A PostgreSQL cluster that fails over by itself: Patroni, etcd and HAProxy from Debian."""

import asyncio
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import httpx
import psutil

from tests.processes.debian import (
    BINARIES,
    PASSWORD,
    account,
    needed,
    private_folder,
    proxying,
    url,
)
from tests.processes.running import Running, all_end, eventually, free_port, name_of
from tests.support.tls_front import Authority, Certificate

PATRONI = Path("/usr/bin/patroni")
ETCD = Path("/usr/bin/etcd")
HAPROXY = Path("/usr/sbin/haproxy")
NODES = 3
TTL = 6
"""Seconds after which Patroni takes a silent leader for dead; 30 in its own defaults."""


_REFUSALS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


def _user() -> int | None:
    user = account()
    return user.pw_uid if user else None


@dataclass(slots=True)
class Node:
    """A server and the Patroni that watches it. Both can be killed and started again."""

    folder: Path
    number: int
    etcd: int
    certificate: Certificate
    port: int = field(default_factory=free_port)
    api: int = field(default_factory=free_port)
    process: Running | None = None

    @property
    def data(self) -> Path:
        return self.folder / f"data{self.number}"

    def configure(self) -> None:
        login = {"password": PASSWORD}
        configuration = {
            "scope": "botkeys",
            "name": f"node{self.number}",
            "restapi": {"listen": f"127.0.0.1:{self.api}"},
            "etcd3": {"host": f"127.0.0.1:{self.etcd}"},
            "bootstrap": {
                "dcs": {
                    "ttl": TTL,
                    "loop_wait": 1,
                    "retry_timeout": 2,
                    "synchronous_mode": True,
                    "primary_start_timeout": 0,
                    "postgresql": {
                        "use_pg_rewind": True,
                        "parameters": {"wal_log_hints": "on", "max_connections": 80},
                    },
                },
                "initdb": [{"encoding": "UTF8"}, "no-sync", "data-checksums"],
            },
            "postgresql": {
                "listen": f"127.0.0.1:{self.port}",
                "connect_address": f"127.0.0.1:{self.port}",
                "data_dir": str(self.data),
                "pgpass": str(self.folder / f"pgpass{self.number}"),
                "bin_dir": str(BINARIES),
                "remove_data_directory_on_diverged_timelines": True,
                "remove_data_directory_on_rewind_failure": True,
                "authentication": {
                    "superuser": {"username": "postgres", **login},
                    "replication": {"username": "replicator", **login},
                },
                "parameters": {
                    "unix_socket_directories": str(self.folder),
                    "fsync": "off",
                    "ssl": "on",
                    "ssl_cert_file": str(self.certificate.certificate),
                    "ssl_key_file": str(self.certificate.key),
                },
                "pg_hba": [
                    "local all all scram-sha-256",
                    "host all all 127.0.0.1/32 scram-sha-256",
                    "host replication all 127.0.0.1/32 scram-sha-256",
                ],
            },
        }
        # Patroni reads YAML, of which JSON is a part.
        file = self.folder / f"node{self.number}.yml"
        file.write_text(json.dumps(configuration))
        file.chmod(0o644)

    def start(self) -> None:
        self.process = Running(
            PATRONI,
            self.folder / f"node{self.number}.yml",
            env={"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(self.folder)},
            cwd=self.folder,
            user=_user(),
        )

    @property
    def text(self) -> str:
        return self.process.text if self.process else ""

    def is_leader(self) -> bool:
        return self._answers("primary")

    def is_synchronous(self) -> bool:
        return self._answers("synchronous")

    def is_standby(self) -> bool:
        return self._answers("replica")

    def _answers(self, path: str) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.api}/{path}", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def family(self) -> list[psutil.Process]:
        """Return Patroni, PostgreSQL, which is not its child, and its processes."""
        assert self.process is not None
        family = self.process.family()
        with suppress(OSError, ValueError, psutil.NoSuchProcess):
            postmaster = psutil.Process(int((self.data / "postmaster.pid").read_text().split()[0]))
            if name_of(postmaster) == "postgres":
                family += [postmaster, *postmaster.children(recursive=True)]
        return family

    def kill(self) -> None:
        """Kill Patroni and its PostgreSQL at once, as when the machine is gone."""
        assert self.process is not None
        family = self.family()
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()
        assert all_end(family)

    def close(self) -> None:
        if self.process is not None and self.process.process.poll() is None:
            self.kill()


@dataclass(slots=True)
class Cluster:
    """Three nodes of which Patroni makes one the leader; a commit waits for a second one."""

    folder: Path
    nodes: list[Node]
    proxy: int
    authority: Path
    """The file of the certificate that the servers' own are signed with."""

    def url(self, login: str, database: str) -> str:
        """Return an address that names every host."""
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return url(login, hosts, database)

    def proxied(self, login: str, database: str) -> str:
        """Return the address of HAProxy, which leads to the leader."""
        return url(login, f"127.0.0.1:{self.proxy}", database)

    def is_whole(self) -> bool:
        """Return whether there is a leader, and a standby that holds every commit."""
        return any(node.is_leader() for node in self.nodes) and any(
            node.is_synchronous() for node in self.nodes
        )

    def leader(self) -> Node:
        return next(node for node in self.nodes if node.is_leader())

    def run(self, *statements: str) -> None:
        async def executed() -> None:
            connection = await asyncpg.connect(self.proxied("postgres", "postgres"), timeout=10)
            try:
                for statement in statements:
                    await connection.execute(statement)
            finally:
                await connection.close()

        asyncio.run(executed())


@contextmanager
def patroni() -> Iterator[Cluster]:
    """Run a cluster of three, synchronous, behind HAProxy."""
    needed(BINARIES / "postgres", PATRONI, ETCD, HAPROXY)
    with private_folder() as folder:
        client, peer = free_port(), free_port()
        etcd = Running(
            ETCD,
            *("--data-dir", folder / "etcd"),
            *("--listen-client-urls", f"http://127.0.0.1:{client}"),
            *("--advertise-client-urls", f"http://127.0.0.1:{client}"),
            *("--listen-peer-urls", f"http://127.0.0.1:{peer}"),
            *("--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}"),
            *("--initial-cluster", f"default=http://127.0.0.1:{peer}"),
            env={},
            cwd=folder,
            user=_user(),
        )
        authority = Authority(folder, "authority")
        certificate = authority.issue("server")
        certificate.key.chmod(0o600)
        if (user := account()) is not None:
            os.chown(certificate.key, user.pw_uid, user.pw_gid)
        nodes = [Node(folder, number, client, certificate) for number in range(NODES)]
        try:
            for node in nodes:
                node.configure()
                node.start()
            with proxying(_configuration(nodes)) as proxy:
                cluster = Cluster(folder, nodes, proxy, authority.path)
                assert eventually(cluster.is_whole), [
                    each.process and each.process.text for each in nodes
                ]
                yield cluster
        finally:
            for node in nodes:
                node.close()
            etcd.close()


def _configuration(nodes: list[Node]) -> str:
    servers = "\n".join(
        f"  server node{node.number} 127.0.0.1:{node.port} check port {node.api}" for node in nodes
    )
    return f"""
defaults
  mode tcp
  timeout connect 2s
  timeout client 30m
  timeout server 30m
  timeout check 1s
frontend database
  bind 127.0.0.1:PORT
  default_backend leader
backend leader
  option httpchk OPTIONS /primary
  http-check expect status 200
  default-server inter 1s fall 2 rise 1 on-marked-down shutdown-sessions
{servers}
"""


class Probe(threading.Thread):
    """Writes to the cluster over a connection of its own each time, as fast as one may.

    What it sees is the detection: the moment from which anybody is served again.
    """

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self.successes: list[float] = []
        self._address = f"{address}?target_session_attrs=read-write"
        self._done = threading.Event()

    @property
    def last_success(self) -> float:
        return self.successes[-1] if self.successes else 0.0

    def first_success_after(self, moment: float) -> float:
        return next(each for each in self.successes if each > moment)

    def run(self) -> None:
        asyncio.run(self._write_on())

    async def _write_on(self) -> None:
        while not self._done.is_set():
            try:
                async with asyncio.timeout(1):
                    await self._write()
            except (OSError, TimeoutError, *_REFUSALS):
                pass
            else:
                self.successes.append(time.monotonic())
            await asyncio.sleep(0.02)

    async def _write(self) -> None:
        connection = await asyncpg.connect(self._address)
        try:
            await connection.execute("UPDATE probe SET at = clock_timestamp()")
        finally:
            connection.terminate()

    def stop(self) -> None:
        self._done.set()
        self.join(10)

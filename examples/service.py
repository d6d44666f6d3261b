"""An installation of the demo's own in production mode, the roles apart, removed at the end."""

import asyncio
import json
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from app.db.embedded import EmbeddedPostgres
from app.simulator import Simulator
from botkeys.exchanges.registry import simulated_hosts
from examples.database import OWNER, create_logins, let_in, login_of
from examples.issuer import Issuer, issuing
from examples.proxy import RoleTransport
from examples.story import StepFailed

_READY_SECONDS = 90
_STOP_SECONDS = 60
_TICK = 0.1
BOTKEYS = Path(sys.executable).with_name("botkeys")

PARTS = {
    "runtime": ("serve", "--role", "runtime"),
    "api": ("serve", "--role", "api"),
    "catalogue": ("worker", "--task", "catalogue"),
    "purge": ("worker", "--task", "purge"),
    "webhooks": ("worker", "--task", "webhooks"),
}
"""The command of each role's process. Runtime is first: it registers the master key for api."""
KEY_FILES = {
    "runtime": ("master-*.private", "token-hmac", "audit-hmac"),
    "api": ("master-*.public", "fingerprint-hmac", "audit-hmac", "webhook-key"),
    "webhooks": ("webhook-key",),
}
"""The key files that a role holds; the other workers hold none."""
SETTINGS = {
    # Short enough that a dead bot is noticed while the story runs, and long enough that a live one
    # is not missed on a busy machine.
    "BOTKEYS_HEARTBEAT_LEASE": "4",
    # On a busy machine the story waits instead of being asked to retry.
    "BOTKEYS_DATABASE_POOL_TIMEOUT": "30",
    "BOTKEYS_DATABASE_STATEMENT_TIMEOUT": "30",
    "BOTKEYS_KEY_CHECK_TIMEOUT": "25",
}


@dataclass(slots=True)
class DemoService:
    """The demo's installation.

    `data` holds the database and the keys, `log` is what all processes print. `ports` are those of
    the roles that serve.
    """

    data: Path
    log: Path
    ports: dict[str, int]
    postgres: EmbeddedPostgres
    issuer: Issuer
    exchange_hosts: str
    start_seconds: float = 0.0
    """How long runtime took to start, a measure of how fast this machine is today."""
    _processes: dict[str, Process] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The address of api."""
        return _address(self.ports["api"])

    @property
    def runtime_url(self) -> str:
        """The address of runtime, for bots."""
        return _address(self.ports["runtime"])

    def http(self) -> httpx.AsyncClient:
        """Return a client for users, as if a reverse proxy were in front of the roles."""
        transport = RoleTransport(self.ports["runtime"])
        return httpx.AsyncClient(
            base_url=self.url, transport=transport, trust_env=False, timeout=60
        )

    def token(self, account: str) -> str:
        return self.issuer.token(account)

    def keys_of(self, role: str) -> Path:
        return self.data / f"{role}-keys"

    def held(self, role: str) -> set[str]:
        """Return the names of the role's key files."""
        folder = self.keys_of(role)
        return {file.name for file in folder.iterdir()} if folder.exists() else set()

    async def start(self) -> None:
        """Install everything and start all processes, as docs/deployment.md describes."""
        await self.postgres.start()
        await let_in(self.postgres, PARTS)
        await self.run("migrate", BOTKEYS_DATABASE_URL=self.postgres.url(OWNER))
        await create_logins(self.postgres, PARTS)
        await self._hand_out_keys()
        async with httpx.AsyncClient(trust_env=False) as http:
            began = asyncio.get_running_loop().time()
            for role in PARTS:
                await self._start(role)
                if role == "runtime":
                    await self._until_ready(role, http)
                    self.start_seconds = asyncio.get_running_loop().time() - began
            await self._until_ready("api", http)

    async def _hand_out_keys(self) -> None:
        """Create all keys in one folder, as on a trusted machine; copy to each role its own."""
        everything = self.data / "keys"
        await self.run("master-key", "create", "--dir", str(everything))
        for role, patterns in KEY_FILES.items():
            folder = self.keys_of(role)
            folder.mkdir(mode=0o700)
            for pattern in patterns:
                for file in everything.glob(pattern):
                    shutil.copy2(file, folder)

    async def _start(self, role: str) -> None:
        """Run its process in a session of its own: Ctrl-C reaches only the demo, which stops it."""
        with self.log.open("ab") as log:
            self._processes[role] = await asyncio.create_subprocess_exec(
                BOTKEYS,
                *PARTS[role],
                env=_environment(**self._settings(role)),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _settings(self, role: str) -> dict[str, str]:
        settings = {
            **SETTINGS,
            "BOTKEYS_DATABASE_URL": self.postgres.url(login_of(role)),
            "BOTKEYS_EXCHANGE_HOSTS": self.exchange_hosts,
        }
        if role in KEY_FILES:
            settings["BOTKEYS_KEYS_DIR"] = str(self.keys_of(role))
        if role in self.ports:
            settings |= {
                "BOTKEYS_PORT": str(self.ports[role]),
                "BOTKEYS_OIDC_ISSUER": self.issuer.address,
            }
        return settings

    async def _until_ready(self, role: str, http: httpx.AsyncClient) -> None:
        process, address = self._processes[role], f"{_address(self.ports[role])}/readyz"
        async with asyncio.timeout(_READY_SECONDS):
            while not await _is_ready(address, http):
                if process.returncode is not None:
                    command = " ".join(PARTS[role])
                    raise StepFailed(f"botkeys {command} ended by itself: {self._last_line()}")
                await asyncio.sleep(_TICK)

    async def run(self, *arguments: str, **settings: str) -> str:
        """Return the output of another `botkeys` command, with these settings and no others."""
        with self.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                BOTKEYS, *arguments, env=_environment(**settings), stdout=PIPE, stderr=log
            )
        try:
            output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            raise StepFailed(
                f"botkeys {arguments[0]} ended with status {process.returncode}: "
                f"{self._last_line()}"
            )
        return output.decode()

    async def stop(self) -> dict[str, int]:
        """Stop all processes as Ctrl-C would, then the database.

        Returns the exit status of each role's process, -9 if it had to be killed.
        """
        for process in self._processes.values():
            if process.returncode is None:
                process.send_signal(signal.SIGINT)
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await asyncio.gather(*(process.wait() for process in self._processes.values()))
        for process in self._processes.values():
            if process.returncode is None:
                process.kill()
        statuses = {role: await process.wait() for role, process in self._processes.items()}
        await self.postgres.stop()
        return statuses

    def _last_line(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it printed nothing"


@asynccontextmanager
async def demo_service() -> AsyncIterator[DemoService]:
    """Provide an installation that is not started yet, with simulated exchanges and an issuer.

    In the end stop it and remove its folder.
    """
    with issuing() as issuer:
        async with Simulator() as simulator:
            folder = Path(tempfile.mkdtemp(prefix="botkeys-demo-"))
            data = folder / "data"
            service = DemoService(
                data,
                folder / "botkeys.log",
                {role: _free_port() for role in KEY_FILES},
                EmbeddedPostgres(data / "postgres"),
                issuer,
                json.dumps(simulated_hosts(simulator.hosts)),
            )
            try:
                yield service
            finally:
                await asyncio.shield(_end(service, folder))


async def _end(service: DemoService, folder: Path) -> None:
    try:
        await service.stop()
    finally:
        shutil.rmtree(folder)


async def _is_ready(address: str, http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get(address)).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _environment(**settings: str) -> dict[str, str]:
    """Return our environment with exactly these settings of Botkeys."""
    foreign = {name: text for name, text in os.environ.items() if not name.startswith("BOTKEYS_")}
    return foreign | settings


def _address(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _free_port() -> int:
    """Return a port below the system's ephemeral range, so that nothing else takes it meanwhile."""
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        with socket.socket() as taken, suppress(OSError):
            taken.bind(("127.0.0.1", port))
            return port

"""An installation as in docs/deployment.md: a login and a key folder for each role."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from examples.issuer import Issuer
from tests.processes.logins import Addresses
from tests.processes.running import (
    BOTKEYS,
    PATIENCE,
    PATIENT,
    Running,
    environment,
    eventually,
    free_port,
    output_of,
)

HELD = {
    "api": ("master-*.public", "fingerprint-hmac", "audit-hmac", "webhook-key"),
    "runtime": ("master-*.private", "token-hmac", "audit-hmac"),
    "webhooks": ("webhook-key",),
}


@dataclass(slots=True)
class Installation:
    """An installation. `keys` holds everything, as on the trusted machine.

    Servers are started with `variables` besides the settings.
    """

    folder: Path
    logins: Addresses
    database: str
    issuer: Issuer
    exchange_hosts: str
    running: list[Running] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    def keys_of(self, role: str) -> Path:
        return self.folder / f"keys of {role}"

    def create_master_key(self) -> str:
        return output_of(BOTKEYS, "master-key", "create", "--dir", self.keys, env=environment())

    def hand_out(self, role: str) -> None:
        folder = self.keys_of(role)
        folder.mkdir(mode=0o700, exist_ok=True)
        for pattern in HELD[role]:
            for file in self.keys.glob(pattern):
                if not (folder / file.name).exists():
                    shutil.copy2(file, folder)

    def settings(self, role: str, **changes: object) -> dict[str, str]:
        """Return the settings of a role of the service; `None` removes a setting."""
        chosen: dict[str, object] = {
            "database_url": self.logins.url(role, self.database),
            "keys_dir": self.keys_of(role),
            "oidc_issuer": self.issuer.address,
            "exchange_hosts": self.exchange_hosts,
            **PATIENT,
            **changes,
        }
        return environment(**{name: value for name, value in chosen.items() if value is not None})

    def serve(self, role: str, **changes: object) -> tuple[Running, str]:
        """Start a server; return the process and its address."""
        port = free_port()
        process = Running(
            BOTKEYS,
            "serve",
            "--role",
            role,
            env={**self.settings(role, port=port, **changes), **self.variables},
        )
        self.running.append(process)
        return process, f"http://127.0.0.1:{port}"

    def serve_release(self, code: Path, role: str) -> tuple[Running, str]:
        """Start a server of another release's code, with the settings that it knows."""
        port = free_port()
        known = (code / "app" / "settings.py").read_text()
        kinds = (code / "app" / "custody" / "keyfiles.py").read_text()
        # It refuses files that it does not know.
        keys = self.folder / f"keys of {role} of another release"
        shutil.copytree(
            self.keys_of(role),
            keys,
            dirs_exist_ok=True,
            ignore=lambda _, names: [
                name for name in names if "master" not in name and f'"{name}"' not in kinds
            ],
        )
        hosts = _known_hosts(code, self.exchange_hosts)
        settings = {
            name: value
            for name, value in self.settings(
                role, port=port, keys_dir=keys, exchange_hosts=hosts
            ).items()
            if f"    {name.removeprefix('BOTKEYS_').lower()}: " in known
            or not name.startswith("BOTKEYS_")
        }
        paths = os.pathsep.join(map(str, (code, code / "sdk" / "python" / "src")))
        process = Running(
            *(sys.executable, "-m", "botkeys", "serve", "--role", role),
            env={**settings, "PYTHONPATH": paths},
            cwd=code,
        )
        self.running.append(process)
        return process, f"http://127.0.0.1:{port}"

    def command(self, *command: str, role: str, **changes: object) -> Running:
        process = Running(BOTKEYS, *command, env=self.settings(role, **changes))
        self.running.append(process)
        return process

    def http(self, address: str, account: str = "alice") -> httpx.Client:
        return httpx.Client(
            base_url=address,
            headers={"Authorization": f"Bearer {self.issuer.token(account)}"},
            timeout=PATIENCE,
        )

    def close(self) -> None:
        for process in self.running:
            process.close()


def _known_hosts(code: Path, setting: str) -> str:
    """Return the setting of hosts without those that another release's exchanges do not have."""
    adapters = code / "sdk" / "python" / "src" / "botkeys" / "exchanges"
    hosts = json.loads(setting)
    for exchange, environments in hosts.items():
        written = (adapters / f"{exchange}.py").read_text()
        for which, names in environments.items():
            environments[which] = {
                name: address for name, address in names.items() if f'"{name}"' in written
            }
    return json.dumps(hosts)


def is_ready(process: Running, address: str) -> bool:
    def asked() -> bool:
        try:
            return httpx.get(f"{address}/readyz", timeout=10).status_code == 200
        except httpx.TransportError:
            return False

    eventually(lambda: asked() or process.process.poll() is not None)
    return process.process.poll() is None


@contextmanager
def installed(
    folder: Path, logins: Addresses, database: str, issuer: Issuer, exchange_hosts: str
) -> Iterator[Installation]:
    installation = Installation(folder, logins, database, issuer, exchange_hosts)
    installation.create_master_key()
    for role in HELD:
        installation.hand_out(role)
    try:
        yield installation
    finally:
        installation.close()

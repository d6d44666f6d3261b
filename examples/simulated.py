"""The simulated exchanges in the tests of a bot: copy this file beside them.

    with simulated_exchanges() as exchanges:
        key = credential("binance", "testnet", "trade")
        bot = MyBot(exchanges.address("binance", "testnet"), key["api_key"], key["api_secret"])
        exchanges.fail("binance", "testnet", "rate_limited", times=2, path="/fapi/v1/order")

It needs the command `botkeys` of a server's installation, and neither a service nor a network.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

BOTKEYS = str(Path(sys.executable).with_name("botkeys"))
_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class SimulatedExchanges:
    """What `botkeys simulator serve` printed, and its control port."""

    document: dict[str, Any]

    def address(self, exchange: str, environment: str) -> str:
        return str(self.document["addresses"][exchange][environment])

    def fail(self, exchange: str, environment: str, kind: str, **more: Any) -> None:
        """Make an exchange fail: `times`, `path`, `seconds` and others say when and how."""
        order = {"exchange": exchange, "environment": environment, "kind": kind, **more}
        httpx.post(f"{self.document['control']}/faults", json=order).raise_for_status()

    def recover(self) -> None:
        """End all failures."""
        httpx.delete(f"{self.document['control']}/faults").raise_for_status()

    def calls(self, exchange: str, environment: str) -> dict[str, int]:
        """Return how often each path was called."""
        calls = httpx.get(f"{self.document['control']}/calls").json()
        return dict(calls[exchange][environment])


@contextmanager
def simulated_exchanges(port_base: int = 8600) -> Iterator[SimulatedExchanges]:
    """Start the exchanges, and stop them at the end."""
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "exchanges.json"
        command = [
            BOTKEYS,
            "simulator",
            "serve",
            "--port-base",
            str(port_base),
            "--write",
            str(ready),
        ]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as serving:  # noqa: S603  # our own command
            try:
                deadline = time.monotonic() + _SECONDS
                while not ready.exists():
                    if serving.poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError("The simulated exchanges did not start.")
                    time.sleep(0.02)
                yield SimulatedExchanges(json.loads(ready.read_text("utf-8")))
            finally:
                serving.terminate()


def credential(exchange: str, environment: str, variant: str) -> dict[str, str]:
    """Return `api_key`, `api_secret` and, of OKX and KuCoin, `api_passphrase`; always the same."""
    chosen = ("--exchange", exchange, "--environment", environment, "--variant", variant)
    command = [BOTKEYS, "simulator", "credentials", *chosen]
    printed = subprocess.run(command, capture_output=True, check=True).stdout  # noqa: S603  # our own command
    return dict(json.loads(printed))

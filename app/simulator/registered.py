"""Public keys that a user registered at a simulated exchange, in a file that outlives it.

`botkeys simulator register` writes the file, and the simulator looks there for an API key that it
does not know. So a key made by the service (`POST /v1/keys/pairs`) works on a development machine.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from app.simulator import ids
from app.simulator.keys import KeyText, Material, Permission, SimulatedKey
from app.simulator.venues import VENUES

ALGORITHMS = {
    "binance": (Ed25519PublicKey, RSAPublicKey),
    "bybit": (RSAPublicKey,),
    "deribit": (Ed25519PublicKey, RSAPublicKey),
}
"""The exchanges where a user can register a public key, with the kinds they take."""


class NotRegistrable(ValueError):
    """A key that the exchange would not take; the text says why."""


@dataclass(frozen=True, slots=True)
class _Entry:
    exchange: str
    environment: str
    api_key: str
    public_key: str


class RegisteredKeys:
    """The file. It need not exist, and other processes may add to it at any time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def register(self, exchange: str, environment: str, public_key: str) -> str:
        """Register a PEM public key for trading; return the API key, always the same one for it.

        Raises NotRegistrable, and OSError if the file cannot be written.
        """
        try:
            ids.check(exchange, environment)
        except ValueError as error:
            raise NotRegistrable(f"{error}.") from None
        _require_known(exchange, public_key)
        api_key = VENUES[exchange].key_text(_material(exchange, environment, public_key)).api_key
        entries = {entry.api_key: entry for entry in self._read()}
        entries[api_key] = _Entry(exchange, environment, api_key, public_key)
        self._write(list(entries.values()))
        return api_key

    def find(self, exchange: str, environment: str, api_key: str) -> SimulatedKey | None:
        for entry in self._read():
            if (entry.exchange, entry.environment, entry.api_key) == (
                exchange,
                environment,
                api_key,
            ):
                material = _material(exchange, environment, entry.public_key)
                return SimulatedKey(
                    exchange=exchange,
                    environment=environment,
                    text=KeyText(api_key, ""),
                    account=material.digits("uid", 18),
                    permissions=frozenset({Permission.READ, Permission.TRADE}),
                    public_key=entry.public_key,
                )
        return None

    def _read(self) -> Iterator[_Entry]:
        try:
            found = json.loads(self._path.read_text("utf-8"))
        except FileNotFoundError:
            return
        for entry in found:
            yield _Entry(**entry)

    def _write(self, entries: list[_Entry]) -> None:
        """Replace the file as a whole, so that nobody reads half of it."""
        content = [asdict(entry) for entry in entries]
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
        new.replace(self._path)


def _material(exchange: str, environment: str, public_key: str) -> Material:
    return Material(public_key.strip(), exchange, environment, "registered")


def _require_known(exchange: str, public_key: str) -> None:
    kinds = ALGORITHMS.get(exchange)
    if kinds is None:
        takers = ", ".join(ALGORITHMS)
        raise NotRegistrable(f"{exchange} takes no public keys: {takers} do.")
    try:
        key = load_pem_public_key(public_key.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise NotRegistrable("This is not a PEM public key (-----BEGIN PUBLIC KEY-----).") from None
    if not isinstance(key, kinds):
        raise NotRegistrable(f"{exchange} takes no public keys of this algorithm.")

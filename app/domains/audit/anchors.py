"""Anchors: the heads of all chains at one moment, in a file that is kept away from the database.

Anyone with the database can put an account's log and its head back to an earlier state together;
only an anchor tells. A line is a JSON document: the first tells when, one per account follows in
the order of the ids, and the last has an HMAC over all lines before. No more than one line is ever
in memory.
"""

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Self
from uuid import UUID

from app.domains.audit.chain import Chain
from app.kit.json_codec import dumps
from botkeys.sealing.boxes import SecretBytes

_LABEL = b"botkeys/audit-anchors/1"
_KIND = "botkeys audit heads"
_VERSION = 1
_LONGEST_LINE = 1024


class AnchorsUnusable(Exception):
    """A file of anchors that cannot be read, written or trusted. The message says why."""


@dataclass(frozen=True, slots=True)
class Anchor:
    account_id: UUID
    sequence: int
    mac: bytes


class AnchorReader:
    """A file of anchors that was verified as a whole. Raises `AnchorsUnusable`."""

    def __init__(self, path: Path, key: SecretBytes) -> None:
        self._path = path
        self._key = key
        self.written_at = ""
        self.count = sum(1 for _ in self)

    def __iter__(self) -> Iterator[Anchor]:
        """Yield the anchors in the order of the accounts; raise if the HMAC does not match."""
        try:
            with self._path.open("rb") as file:
                yield from self._anchors(file)
        except OSError as error:
            raise AnchorsUnusable(f"{self._path} cannot be read: {error.strerror}.") from None
        except (ValueError, TypeError, KeyError):
            raise AnchorsUnusable(f"{self._path} is not a whole file of audit heads.") from None

    def _anchors(self, file: BinaryIO) -> Iterator[Anchor]:
        digest = _digest(self._key)
        first = file.readline(_LONGEST_LINE)
        header = json.loads(first)
        if header["kind"] != _KIND or header["version"] != _VERSION:
            raise ValueError
        self.written_at = str(header["written_at"])
        digest.update(first)
        count = 0
        while True:
            line = file.readline(_LONGEST_LINE)
            content = json.loads(line)
            if "account_id" not in content:
                break
            digest.update(line)
            count += 1
            yield Anchor(
                UUID(content["account_id"]), int(content["sequence"]), bytes.fromhex(content["mac"])
            )
        if content["accounts"] != count or file.read(1):
            raise ValueError
        if not hmac.compare_digest(bytes.fromhex(content["mac"]), digest.digest()):
            raise AnchorsUnusable(
                f"{self._path} was altered, or was written with another audit key."
            )


class AnchorWriter:
    """Writes anchors in the order in which the chains are verified.

    The file takes the place of `path` at its `end`, whole and on disk; without an end, nothing
    changes. Raises `AnchorsUnusable`.
    """

    def __init__(self, path: Path, key: SecretBytes, now: datetime) -> None:
        self._path = path
        self._unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        self._digest = _digest(key)
        self._count = 0
        with self._explained():
            self._file = self._unfinished.open("xb")
        self._line({"kind": _KIND, "version": _VERSION, "written_at": now})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        with suppress(FileNotFoundError):
            self._unfinished.unlink()

    def add(self, chain: Chain) -> None:
        self._count += 1
        self._line(
            {"account_id": chain.account_id, "sequence": chain.sequence, "mac": chain.mac.hex()}
        )

    def end(self) -> None:
        self._line({"accounts": self._count, "mac": self._digest.hexdigest()})
        with self._explained():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._unfinished.replace(self._path)

    def _line(self, content: dict[str, object]) -> None:
        line = dumps(content) + b"\n"
        self._digest.update(line)
        with self._explained():
            self._file.write(line)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise AnchorsUnusable(f"{self._path} cannot be written: {error.strerror}.") from None


def _digest(key: SecretBytes) -> hmac.HMAC:
    return hmac.new(bytes(key.reveal()), _LABEL, hashlib.sha256)

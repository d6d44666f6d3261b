"""Reads the pinned packages of a lock file: name, version, hashes, and what needs each."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PIN = re.compile(r"^(?P<name>[a-z0-9][a-z0-9-]*)==(?P<version>\S+)(?: ; (?P<marker>[^\\]+))?")
_HASH = re.compile(r"--hash=sha256:(?P<hash>[0-9a-f]{64})")
_VIA = re.compile(r"^ +#(?: via)? +(?P<name>[a-z0-9][a-z0-9-]*)")


@dataclass(frozen=True, slots=True)
class Pin:
    """One pinned version; `marker` says where it is installed, `needed_by` names packages."""

    name: str
    version: str
    marker: str | None
    hashes: tuple[str, ...]
    needed_by: tuple[str, ...]


def read_lock(path: Path) -> list[Pin]:
    """Return all pins of a lock file; raise `ValueError` if one has no hash."""
    return list(_pins(path.read_text("utf-8")))


def _pins(text: str) -> Iterator[Pin]:
    for block in re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE):
        found = _PIN.match(block)
        if found is None:
            if block.strip():
                raise ValueError("the lock file has a line that is no pin")
            continue
        hashes = tuple(_HASH.findall(block))
        if not hashes:
            raise ValueError(f"{found['name']} has no hash")
        marker = found["marker"]
        via = (_VIA.match(line) for line in block.splitlines())
        yield Pin(
            found["name"],
            found["version"],
            None if marker is None else marker.strip(),
            hashes,
            tuple(match["name"] for match in via if match and match["name"] != "via"),
        )

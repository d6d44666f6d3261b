"""One entry of the audit log, the chain that links entries, and the seal of its newest link."""

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from app.kit.json_codec import dumps_sorted

FORMAT = 2
"""The format of the entries that this code writes. Releases that do not seal heads write 1."""

_LABELS = {1: b"botkeys/audit/1", 2: b"botkeys/audit/2"}
_SEAL_LABEL = b"botkeys/audit-head/1"
GENESIS = bytes(32)
"""The MAC that precedes an account's first entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Who did what to what, when, from where, and how it ended. Never contains a secret."""

    account_id: UUID
    sequence: int
    id: UUID
    at: datetime
    actor: str
    actor_id: str
    action: str
    outcome: str
    code: str | None
    target: str | None
    target_id: str | None
    environment: str | None
    address: str | None
    request_id: str
    details: dict[str, Any] = field(default_factory=dict)

    def members(self, format: int = FORMAT) -> dict[str, Any]:  # noqa: A002  # its name everywhere
        """Return the members by name, not copied: `asdict` takes longer than computing the link."""
        return {name: getattr(self, name) for name in MEMBERS[format]}


_FIRST = (
    *("account_id", "sequence", "id", "at", "actor", "actor_id", "action", "outcome", "code"),
    *("target", "target_id", "environment", "address", "request_id", "details"),
)
MEMBERS = {1: _FIRST, 2: _FIRST}
"""The members that an entry of each format has. Those of a landed format never change."""


def link(
    hmac_key: bytes | bytearray,
    previous: bytes,
    entry: Entry,
    format: int = FORMAT,  # noqa: A002  # its name everywhere
) -> bytes:
    """Return HMAC-SHA256(key, label ‖ MAC of the previous entry ‖ entry), 32 bytes.

    The label tells the format. The entry is JSON with its members in alphabetical order, times in
    RFC 3339 UTC with microseconds as PostgreSQL keeps them.
    """
    text = dumps_sorted(entry.members(format))
    return hmac.new(bytes(hmac_key), _LABELS[format] + previous + text, hashlib.sha256).digest()


def seal(hmac_key: bytes | bytearray, account_id: UUID, sequence: int, mac: bytes) -> bytes:
    """Return the seal of a chain's head, 32 bytes: only who has the key can end a chain there."""
    text = _SEAL_LABEL + account_id.bytes + sequence.to_bytes(8) + mac
    return hmac.new(bytes(hmac_key), text, hashlib.sha256).digest()

"""One entry of the audit log, and the chain that links entries."""

import hashlib
import hmac
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from app.kit.json_codec import dumps_sorted

CHAIN_LABEL = b"botkeys/audit/1"
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

    def members(self) -> dict[str, Any]:
        """Return the members by name, not copied: `asdict` takes longer than computing the link."""
        return {name: getattr(self, name) for name in _MEMBERS}


_MEMBERS = tuple(member.name for member in fields(Entry))


def link(hmac_key: bytes | bytearray, previous: bytes, entry: Entry) -> bytes:
    """Return HMAC-SHA256(key, label ‖ MAC of the previous entry ‖ entry), 32 bytes.

    The entry is JSON with its members in alphabetical order, times in RFC 3339 UTC with
    microseconds as PostgreSQL keeps them.
    """
    text = dumps_sorted(entry.members())
    return hmac.new(bytes(hmac_key), CHAIN_LABEL + previous + text, hashlib.sha256).digest()

"""Where a chain begins after its oldest entries were retired, sealed with the audit key."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from app.kit.json_codec import dumps_sorted

_LABEL = b"botkeys/audit-start/1"


@dataclass(frozen=True, slots=True)
class Start:
    """The last entry that was retired, why, when and by whom."""

    account_id: UUID
    sequence: int
    mac: bytes
    before: datetime
    retired_at: datetime
    retired_by: str

    @classmethod
    def of(cls, row: Any) -> "Start":
        """Return the start that a row of `audit_starts` holds."""
        return cls(
            row.account_id,
            row.sequence,
            row.mac,
            row.before.astimezone(UTC),
            row.retired_at.astimezone(UTC),
            row.retired_by,
        )

    def seal(self, hmac_key: bytes | bytearray) -> bytes:
        """Return the seal, 32 bytes: only who has the key can let a chain begin here."""
        text = dumps_sorted(
            {
                "account_id": self.account_id,
                "sequence": self.sequence,
                "mac": self.mac.hex(),
                "before": self.before,
                "retired_at": self.retired_at,
                "retired_by": self.retired_by,
            }
        )
        return hmac.new(bytes(hmac_key), _LABEL + text, hashlib.sha256).digest()

    def __str__(self) -> str:
        return (
            f"entries before {self.before:%Y-%m-%d} were retired on "
            f"{self.retired_at:%Y-%m-%d at %H:%M:%S} UTC by {self.retired_by}"
        )

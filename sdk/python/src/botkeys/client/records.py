"""What a bot did, as items of the batches in which it is reported."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from botkeys.client.errors import NotRecordable
from botkeys.decimals import plain

MOST_BYTES = 64 * 1024
"""Of one item: more than the service takes of any."""


class Kind(StrEnum):
    """The last part of the route, in the order in which they are delivered."""

    TRADES = "trades"
    EVENTS = "events"
    EQUITY_SNAPSHOTS = "equity-snapshots"
    SIGNALS = "signals"


@dataclass(frozen=True, slots=True)
class Item:
    """`text` is JSON, made when it was recorded: what the caller changes later changes nothing."""

    id: str
    key_id: UUID | None
    text: bytes


def make_item(item_id: str, key_id: UUID | None, members: Mapping[str, Any]) -> Item:
    """Members that are `None` are left out. Raises NotRecordable, which quotes nothing."""
    told = {name: value for name, value in members.items() if value is not None}
    try:
        text = json.dumps(
            {"id": item_id, **told}, default=_plain, allow_nan=False, ensure_ascii=False
        ).encode()
    except (TypeError, ValueError, RecursionError):
        text = b""
    # Outside the except block: json's error holds what it could not write.
    if not text:
        raise NotRecordable("What was recorded cannot be written as JSON.")
    if len(text) > MOST_BYTES:
        raise NotRecordable(f"What was recorded is longer than {MOST_BYTES} bytes.")
    return Item(item_id, key_id, text)


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError

"""Records of what a bot did, as items of the batches in which they are sent."""

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

MAX_BYTES = 64 * 1024
"""Longest item; no route of the service takes one as long."""


class Kind(StrEnum):
    """The kinds of records in the order of delivery; the value is the last part of the route."""

    TRADES = "trades"
    FUNDING = "funding"
    EVENTS = "events"
    EQUITY_SNAPSHOTS = "equity-snapshots"
    SIGNALS = "signals"


@dataclass(frozen=True, slots=True)
class Item:
    """One record. `text` is JSON made at once: later changes to the caller's data do not count."""

    id: str
    key_id: UUID | None
    text: bytes


def make_item(item_id: str, key_id: UUID | None, members: Mapping[str, Any]) -> Item:
    """Return the item, without members that are `None`. Raises NotRecordable, quoting nothing."""
    given = {name: value for name, value in members.items() if value is not None}
    try:
        text = json.dumps(
            {"id": item_id, **given}, default=_plain, allow_nan=False, ensure_ascii=False
        ).encode()
    except (TypeError, ValueError, RecursionError):
        text = b""
    # Outside the except block: json's error holds the value that it could not write.
    if not text:
        raise NotRecordable("The record cannot be written as JSON.")
    if len(text) > MAX_BYTES:
        raise NotRecordable(f"The record is longer than {MAX_BYTES} bytes.")
    return Item(item_id, key_id, text)


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError

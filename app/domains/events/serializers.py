"""Events as documents."""

from typing import Any

from app.domains.events.places import Place
from app.domains.events.repository import EventRow


def event_document(row: EventRow) -> dict[str, Any]:
    """Return the members of `schemas.Event`. What an event does not concern is left out."""
    document: dict[str, Any] = {
        "id": str(Place.of(row.id, row.at)),
        "type": row.type,
        "at": row.at,
        "environment": row.environment,
    }
    if row.key_id is not None:
        document["key_id"] = row.key_id
    if row.bot_id is not None:
        document["bot_id"] = row.bot_id
    document["data"] = row.data
    return document

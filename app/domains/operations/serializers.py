"""Turns operation rows into the documents that the API shows."""

import hashlib
from typing import Any

from app.db.models.deletion import IMPORT_TRADES
from app.domains.operations.repository import MARKS, OperationRow
from app.kit.json_codec import dumps

_OF_ONE_KEY = frozenset({"delete_key_data", IMPORT_TRADES})


def operation_document(row: OperationRow) -> dict[str, Any]:
    """Return the members of `app.domains.operations.schemas.Operation`."""
    document = row._asdict()
    document["scope"] = {
        name: value for name, value in row.scope.items() if name != MARKS and value is not None
    }
    keys = document["scope"].get("key_ids")
    document["key_id"] = keys[0] if row.kind in _OF_ONE_KEY and keys else None
    return document


def document_etag(document: dict[str, Any]) -> str:
    """Return an ETag of the document: an operation has no revision, and its counts change."""
    return f'"{hashlib.sha256(dumps(document)).hexdigest()[:32]}"'

"""Operation rows as the documents that the API shows."""

import hashlib
from typing import Any

from app.kit.json_codec import dumps
from app.operations.repository import OperationRow
from app.operations.scopes import told

FINISHED = frozenset({"succeeded", "failed", "cancelled"})


def operation_document(row: OperationRow) -> dict[str, Any]:
    """The members of `app.operations.schemas.Operation`."""
    document = row._asdict()
    document["scope"] = told(row.scope)
    keys = document["scope"].get("key_ids")
    document["key_id"] = keys[0] if row.kind == "delete_key_data" and keys else None
    return document


def document_etag(document: dict[str, Any]) -> str:
    """Of what is shown: an operation counts its rows, not its changes."""
    return f'"{hashlib.sha256(dumps(document)).hexdigest()[:32]}"'

"""An operation as an answer, also of the routes of other domains that begin one."""

from fastapi import Response

from app.api.json_response import json_answer
from app.domains.operations.repository import OperationRow
from app.domains.operations.serializers import document_etag, operation_document


def operation_answer(row: OperationRow, *, status: int = 200) -> Response:
    """The document; of one that was just begun, with the address where it can be followed."""
    document = operation_document(row)
    headers = {"ETag": document_etag(document)}
    if status == 202:
        headers["Location"] = f"/v1/operations/{row.id}"
    return json_answer(document, status=status, headers=headers)

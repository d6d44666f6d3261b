"""An operation as a response, also for routes of other domains that begin one."""

from fastapi import Response

from app.api.json_response import json_answer
from app.domains.operations.repository import OperationRow
from app.domains.operations.serializers import document_etag, operation_document


def operation_answer(row: OperationRow, *, status: int = 200) -> Response:
    """Return the response. With status 202 it has the address where to follow the operation."""
    document = operation_document(row)
    headers = {"ETag": document_etag(document)}
    if status == 202:
        headers["Location"] = f"/v1/operations/{row.id}"
    return json_answer(document, status=status, headers=headers)

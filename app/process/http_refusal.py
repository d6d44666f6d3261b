"""The answer to a request that did not arrive whole, which no application sees."""

from collections.abc import Iterable

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from app.api.access_log import log_unread_request
from app.api.problems import MEDIA_TYPE, problem_document
from app.db.base import new_id_text
from app.errors import AppError
from app.kit.json_codec import dumps


def refusal_of(
    error: AppError, default_headers: Iterable[tuple[bytes, bytes]], address: str
) -> bytes:
    """Return the response to a peer at `address`, after logging it under its request id."""
    request_id = new_id_text()
    log_unread_request(error.status, error.code, {"address": address, "request_id": request_id})
    body = dumps(problem_document(error, request_id))
    headers = [
        *default_headers,
        *((name.lower().encode(), value.encode()) for name, value in error.headers.items()),
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    lines = [STATUS_LINE[error.status], *(b"%b: %b\r\n" % pair for pair in headers), b"\r\n"]
    return b"".join([*lines, body])

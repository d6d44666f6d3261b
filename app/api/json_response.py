"""Responses serialized directly to JSON: rows are trusted, and lists are hot."""

from typing import Any

from fastapi.responses import Response

from app.kit.json_codec import dumps


def json_answer(
    content: Any, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Return a JSON response; times are RFC 3339 with `Z`, UUIDs their usual text."""
    return Response(
        dumps(content),
        status_code=status,
        headers=headers,
        media_type="application/json",
    )

"""The headers of responses, as the OpenAPI document describes them."""

from typing import Any

_TEXT = {"type": "string"}

HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": {
        "description": "Identifies the request in the service's logs and in the audit log. A "
        "well-formed id that was sent with the request is reused.",
        "schema": _TEXT,
        "example": "01938a5e-0000-7000-8000-000000000000",
    },
    "ETag": {
        "description": "The object's current state. Send it as `If-Match` so that a change applies "
        "to this state only.",
        "schema": _TEXT,
        "example": '"3"',
    },
    "Location": {
        "description": "The URL of the created object or of the operation.",
        "schema": {**_TEXT, "format": "uri-reference"},
        "example": "/v1/operations/01938a5e-0000-7000-8000-000000000000",
    },
    "Idempotency-Replayed": {
        "description": "Present if this is the stored response to an earlier request with the same "
        "`Idempotency-Key`.",
        "schema": {**_TEXT, "enum": ["true"]},
    },
    "Retry-After": {
        "description": "Seconds to wait before sending the request again.",
        "schema": {"type": "integer", "minimum": 0},
        "example": 5,
    },
    "RateLimit-Policy": {
        "description": "The limit that the request was above, as a structured field: its name "
        "(`account`, `bot`, `address` or `key-checks`), `q` requests in `w` seconds. Not sent "
        "where the limit is on how many run at a time.",
        "schema": _TEXT,
        "example": '"account";q=500;w=5',
    },
    "RateLimit": {
        "description": "What is left of that limit, as a structured field: `r` requests in the "
        "next `t` seconds.",
        "schema": _TEXT,
        "example": '"account";r=0;t=1',
    },
    "WWW-Authenticate": {
        "description": "What is wrong with the token, in the format of RFC 6750.",
        "schema": _TEXT,
        "example": 'Bearer realm="botkeys", error="invalid_token"',
    },
    "Vary": {
        "description": "The response depends on the request's `Accept` header, and on `Origin` if "
        "pages of other origins may call the API.",
        "schema": _TEXT,
        "example": "Accept",
    },
    "Content-Disposition": {
        "description": "A file name. Sent only with a whole list (CSV or NDJSON).",
        "schema": _TEXT,
        "example": 'attachment; filename="trades-live.csv"',
    },
}

_WITH_ETAG = frozenset(
    {
        *("Account", "Asset", "AssetChanged", "Bot", "Config", "Key", "Operation"),
        *("Webhook", "WebhookWithSecret"),
    }
)
_RETRIED = frozenset(
    {
        "daily_rows_exceeded",
        "outcome_unknown",
        "rate_limited",
        "request_in_progress",
        "unavailable",
    }
)
_AUTHENTICATED = frozenset({"missing_scope", "unauthenticated"})
_LIMITED = frozenset({"rate_limited"})
_WITH_CODES = (
    ("Retry-After", _RETRIED),
    ("RateLimit-Policy", _LIMITED),
    ("RateLimit", _LIMITED),
    ("WWW-Authenticate", _AUTHENTICATED),
)
_EXPORT = "text/csv"


def describe_headers(document: dict[str, Any]) -> None:
    """Add the headers of every response of every operation, and a component for each."""
    document["components"]["headers"] = HEADERS
    for item in document["paths"].values():
        for operation in item.values():
            replayable = any(
                parameter["name"] == "Idempotency-Key"
                for parameter in operation.get("parameters", [])
            )
            for status, response in operation["responses"].items():
                names = ["X-Request-ID", *_of_answer(status, response)]
                if replayable and status < "3":
                    names.append("Idempotency-Replayed")
                response["headers"] = {
                    name: {"$ref": f"#/components/headers/{name}"} for name in names
                }


def _of_answer(status: str, response: dict[str, Any]) -> list[str]:
    content = response.get("content", {})
    if status >= "4":
        codes = content.get("application/problem+json", {}).get("examples", {}).keys()
        return [name for name, of in _WITH_CODES if codes & of]
    names = []
    schema = content.get("application/json", {}).get("schema", {}).get("$ref", "")
    if schema.rpartition("/")[2] in _WITH_ETAG or status == "304":
        names.append("ETag")
    if status in {"201", "202"}:
        names.append("Location")
    if _EXPORT in content:
        names += ["Vary", "Content-Disposition"]
    return names

"""The OpenAPI document and the page that shows it, both served without the internet."""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles

from app.api.openapi_examples import Examples
from app.api.openapi_headers import describe_headers
from app.api.openapi_tidying import name_constants, operations, tidy
from app.api.problem_schema import describe_problems
from app.kit.json_codec import dumps

STATIC = Path(__file__).parent / "static"
_CONTENT_POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data:; style-src 'self' "
    "'unsafe-inline'; script-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)

_DESCRIPTION = """\
Botkeys seals exchange API keys so that only the bot that trades with one can open it.

Users and services send a JWT of the configured issuer; bots send their own token (`bkb_…`).

Lists are paginated by keyset: pass `next_cursor` as `cursor`, with the same filters, until it is
null. Writes accept an `Idempotency-Key`. Single objects carry an `ETag`, and changes honour
`If-Match`. User routes reject unknown query parameters and parameters that are given twice.

Every error is a problem document (RFC 9457) whose `code` is stable and whose `detail` says how to
fix the problem.
"""

_TAGS = {
    "keys": "Exchange API keys: add, verify, replace, delete.",
    "exchanges": "What the ten exchanges offer, and which permissions a key needs.",
    "instruments": "The perpetual contracts that can be traded with a key.",
    "assets": "The instruments that a key's bot may trade, with leverage and margin mode.",
    "bots": "Bots, their tokens and their assigned keys.",
    "webhooks": "Addresses that the account's events are sent to, signed.",
    "freezes": "Stops on new positions: for the account, an exchange or a key.",
    "positions": "Positions that bots reported, and closing one by hand.",
    "trading data": "Trades, equity snapshots, signals and events that bots reported: as pages, or "
    "as whole lists in CSV or NDJSON. Trades can be imported too.",
    "analytics": "Figures of trading, equity curves and the dashboard's totals.",
    "account": "The account's settings, and closing the account.",
    "operations": "Long-running work, such as deletions and imports, and its progress.",
    "sessions": "Browsers that are signed in to the dashboard.",
    "events": "What happened in the account, as a list and as a stream.",
    "audit": "Every change, refusal and release in the account.",
    "runtime": "Routes for bots, called with a bot's own token.",
    "health": "For operators: liveness, readiness and metrics.",
}

FILE_SCHEMAS = "x-schemas"
"""The member of a route's `openapi_extra` that holds the named schemas of its file."""

_SECURITY_SCHEMES = {
    "userToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A user's token, or a service's token with the scope `act_as` and the "
        "header X-Account-Id. In development, `botkeys token --account alice` prints one.",
    },
    "botToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "A bot's own token, as minted by `mintBotToken`.",
    },
}


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """Return the document of `openapi/openapi.json` and `/openapi.json`."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=_DESCRIPTION,
        routes=app.routes,
        openapi_version="3.1.0",
        tags=[{"name": name, "description": text} for name, text in _TAGS.items()],
        servers=[{"url": "/", "description": "The service that serves this document."}],
        contact={"name": "The Botkeys authors"},
        license_info={"name": "Apache License 2.0", "identifier": "Apache-2.0"},
    )
    components = document.setdefault("components", {})
    components["securitySchemes"] = _SECURITY_SCHEMES
    schemas = components.setdefault("schemas", {})
    for operation in operations(document["paths"]):
        # A file is read piece by piece, so the framework does not know what it is.
        schemas.update(operation.pop(FILE_SCHEMAS, {}))
    describe_problems(schemas)
    name_constants(schemas)
    tidy(document)
    describe_headers(document)
    _show_answers(document["paths"], Examples(schemas))
    return document


def _show_answers(paths: dict[str, Any], examples: Examples) -> None:
    """Give every JSON response that succeeds an example, composed from those of its members."""
    for operation in operations(paths):
        for response in operation["responses"].values():
            media = response.get("content", {}).get("application/json")
            if media is not None and "example" not in media:
                media["example"] = examples.of(media["schema"])


def add_documentation(app: FastAPI, described: Callable[[], FastAPI]) -> None:
    """Serve the document of `described`, and its page.

    Document and page are made once: making the document takes longer than a hundred requests.
    """

    @cache
    def kept() -> tuple[bytes, str]:
        content = dumps(openapi_document(described()))
        return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'

    page_headers = {"Content-Security-Policy": _CONTENT_POLICY}
    page_content = (STATIC / "docs.html").read_bytes()

    async def document(request: Request) -> Response:
        content, tag = kept()
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type="application/json", headers=headers)

    async def page(_request: Request) -> Response:
        return HTMLResponse(page_content, headers=page_headers)

    app.add_route("/openapi.json", document, include_in_schema=False)
    app.add_route("/docs", page, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")

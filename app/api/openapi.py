"""The OpenAPI document, and the page that shows it: both served from here, without the internet."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from pydantic import TypeAdapter

from app.api.problems import Problem
from app.errors import AppError

STATIC = Path(__file__).parent / "static"
_CONTENT_POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data:; style-src 'self' "
    "'unsafe-inline'; script-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
)

_DESCRIPTION = """\
Botkeys seals exchange API keys so that only the bot that trades with one can open it.

Users and services send a JWT of the configured issuer; bots send their own token (`bkb_…`).
Lists are keyset pages: pass `next_cursor` as `cursor`, with the same filters, until it is null.
Writes take an `Idempotency-Key`; single objects carry an `ETag`, and changes honour `If-Match`. A
query parameter that a user's route does not take is refused, and so is one that is given twice.
Every refusal is a problem document (RFC 9457) whose `code` is stable and whose `detail` says how to
put things right.
"""

_SECURITY_SCHEMES = {
    "userToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A user's token; a service's with the scope `act_as` and X-Account-Id.",
    },
    "botToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "bkb_…",
        "description": "A bot's own token, minted once by `mintBotToken`.",
    },
}


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """What `openapi/openapi.json` holds and `/openapi.json` serves."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=_DESCRIPTION,
        routes=app.routes,
    )
    components = document.setdefault("components", {})
    components["securitySchemes"] = _SECURITY_SCHEMES
    _describe_problems(components.setdefault("schemas", {}))
    return document


def _describe_problems(schemas: dict[str, Any]) -> None:
    """Describe the one shape of all refusals, in place of FastAPI's own 422, which is never sent.

    The enum of codes is open: a client that was generated from it takes codes that it does not
    know as text.
    """
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    problem = TypeAdapter(Problem).json_schema(
        mode="serialization", ref_template="#/components/schemas/{model}"
    )
    schemas |= problem.pop("$defs")
    problem["properties"]["code"] = {
        "$ref": "#/components/schemas/ProblemCode",
        "description": problem["properties"]["code"]["description"],
    }
    schemas["Problem"] = problem
    schemas["ProblemCode"] = {
        "description": "Stable names of problems. Later versions add codes: treat one that you do "
        "not know by the status of the answer.",
        "anyOf": [{"type": "string", "enum": problem_codes()}, {"type": "string"}],
    }


def problem_codes() -> list[str]:
    """Return the codes of all errors that the loaded domains declare, in alphabetical order."""
    return sorted({kind.code for kind in error_classes()})


def error_classes(root: type[AppError] = AppError) -> Iterator[type[AppError]]:
    """Yield the class and all that descend from it."""
    yield root
    for kind in root.__subclasses__():
        yield from error_classes(kind)


def add_documentation(app: FastAPI) -> None:
    async def document(_request: Any) -> Response:
        if app.openapi_schema is None:
            app.openapi_schema = openapi_document(app)
        return JSONResponse(app.openapi_schema)

    async def page(_request: Any) -> Response:
        html = get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="Botkeys API",
            swagger_js_url="/static/swagger-ui/swagger-ui-bundle.js",
            swagger_css_url="/static/swagger-ui/swagger-ui.css",
            swagger_favicon_url="data:,",
        )
        headers = {"Content-Security-Policy": _CONTENT_POLICY}
        return HTMLResponse(bytes(html.body), headers=headers)

    app.add_route("/openapi.json", document, include_in_schema=False)
    app.add_route("/docs", page, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")

"""The OpenAPI document, and the page that shows it: both served from here, without the internet."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from pydantic import TypeAdapter

from app.api.openapi_examples import Examples
from app.api.openapi_headers import describe_headers
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

Lists are paginated by keyset: pass `next_cursor` as `cursor`, with the same filters, until it is
null. Writes accept an `Idempotency-Key`. Single objects carry an `ETag`, and changes honour
`If-Match`. User routes reject unknown query parameters and parameters that are given twice.

Every error is a problem document (RFC 9457) whose `code` is stable and whose `detail` says how to
fix the problem.
"""

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")

_TAGS = {
    "keys": "Exchange API keys: add, check, replace, delete.",
    "exchanges": "What the ten exchanges offer, and what a key must permit there.",
    "instruments": "The perpetual contracts that can be traded with a key.",
    "assets": "The instruments that a key's bot may trade, with leverage and margin mode.",
    "bots": "Bots, their tokens, and which key each has.",
    "freezes": "Stop new positions at once: of the account, an exchange or a key.",
    "positions": "Positions that bots reported, and closing one by hand.",
    "trading data": "Trades, equity snapshots, signals and events that bots reported; as pages, or "
    "whole as CSV or NDJSON.",
    "analytics": "Sums, ratios, curves and the totals of a dashboard.",
    "account": "The account's settings, and closing it.",
    "operations": "Long work, such as deletions, and its progress.",
    "audit": "Every change, refusal and release in the account.",
    "runtime": "What bots call, with their own tokens.",
    "health": "For operators: whether the process lives, whether it can serve, what it counts.",
}

_SECURITY_SCHEMES = {
    "userToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A user's token, or a service's token with the scope `act_as` and the "
        "header X-Account-Id.",
    },
    "botToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "A bot's own token, as minted by `mintBotToken`.",
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
        openapi_version="3.1.0",
        tags=[{"name": name, "description": text} for name, text in _TAGS.items()],
        servers=[{"url": "/", "description": "The service that serves this document."}],
        contact={"name": "The Botkeys authors"},
        license_info={"name": "Apache License 2.0", "identifier": "Apache-2.0"},
    )
    components = document.setdefault("components", {})
    components["securitySchemes"] = _SECURITY_SCHEMES
    schemas = components.setdefault("schemas", {})
    _describe_problems(schemas)
    _name_constants(schemas)
    _tidy(document)
    describe_headers(document)
    _show_answers(document["paths"], Examples(schemas))
    return document


def _name_constants(schemas: dict[str, Any]) -> None:
    """Name the constants of enums that share a word, by their type: in Go all are in one scope."""
    enums = {name: schema["enum"] for name, schema in schemas.items() if "enum" in schema}
    uses = Counter(word for words in enums.values() for word in words)
    for name, words in enums.items():
        if any(uses[word] > 1 for word in words):
            prefix = _CAPITAL.sub("_", name)
            schemas[name]["x-enum-varnames"] = [
                f"{prefix}_{word.replace('-', '_')}".upper() for word in words
            ]


def _tidy(document: dict[str, Any]) -> None:
    """Drop what only misleads generators: titles that repeat names, parameters that may be null."""
    for schema in document["components"]["schemas"].values():
        _drop_titles(schema)
    for operation in _operations(document["paths"]):
        for parameter in operation.get("parameters", []):
            schema = parameter["schema"] = _without_null(parameter["schema"])
            _drop_titles(schema)
            if schema.get("description") == parameter.get("description"):
                schema.pop("description", None)
        for part in (operation.get("requestBody", {}), *operation["responses"].values()):
            for media in part.get("content", {}).values():
                _drop_titles(media.get("schema", {}))


def _operations(paths: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in paths.values():
        yield from item.values()


def _drop_titles(schema: dict[str, Any]) -> None:
    schema.pop("title", None)
    for inner in _inner(schema):
        _drop_titles(inner)


def _inner(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from schema.get("properties", {}).values()
    yield from schema.get("anyOf", [])
    for name in ("items", "additionalProperties", "propertyNames"):
        if isinstance(schema.get(name), dict):
            yield schema[name]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter, which is left out and never null."""
    choices = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
    if len(choices) != 1:
        return schema
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    return {**choices[0], **rest}


def _show_answers(paths: dict[str, Any], examples: Examples) -> None:
    """Give every JSON answer that succeeds an example, composed from those of its members."""
    for operation in _operations(paths):
        for status, response in operation["responses"].items():
            media = response.get("content", {}).get("application/json")
            if media is not None and status < "4":
                media["example"] = examples.of(media["schema"])


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
        "description": "Stable names of problems. Later versions may add codes: handle an "
        "unknown one by the status of the response.",
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

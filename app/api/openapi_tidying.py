"""Changes to the OpenAPI document that make generated clients readable."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def name_constants(schemas: dict[str, Any]) -> None:
    """Name the constants of enums that share a word by their type: in Go all are in one scope."""
    enums = {name: schema["enum"] for name, schema in schemas.items() if "enum" in schema}
    uses = Counter(word for words in enums.values() for word in words)
    for name, words in enums.items():
        if any(uses[word] > 1 for word in words):
            prefix = _CAPITAL.sub("_", name)
            schemas[name]["x-enum-varnames"] = [
                f"{prefix}_{word.replace('-', '_')}".upper() for word in words
            ]


def tidy(document: dict[str, Any]) -> None:
    """Drop what misleads generators: titles that repeat names, nullable parameters."""
    for schema in document["components"]["schemas"].values():
        _drop_titles(schema)
        _shorten_nulls(schema)
    for operation in operations(document["paths"]):
        for parameter in operation.get("parameters", []):
            schema = parameter["schema"] = _without_null(parameter["schema"])
            _drop_titles(schema)
            if parameter["in"] == "path" and parameter["name"].endswith("_id"):
                kind = parameter["name"].removesuffix("_id")
                parameter.setdefault("description", f"The id of the {kind}.")
            if schema.get("description") == parameter.get("description"):
                schema.pop("description", None)
        for part in (operation.get("requestBody", {}), *operation["responses"].values()):
            for media in part.get("content", {}).values():
                _drop_titles(media.get("schema", {}))


def operations(paths: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in paths.values():
        yield from item.values()


def _drop_titles(schema: dict[str, Any]) -> None:
    schema.pop("title", None)
    for inner in _inner(schema):
        _drop_titles(inner)


def _shorten_nulls(schema: dict[str, Any]) -> None:
    """Write a value of one type or null as `type: [string, null]`, unless it has a name.

    Otherwise OpenAPI Generator makes other members of the same model nullable if they equal the
    choice beside null.
    """
    for inner in _inner(schema):
        _shorten_nulls(inner)
    match schema.get("anyOf"):
        case [{"type": str(kind)} as choice, {"type": "null"}]:
            del schema["anyOf"]
            schema |= {**choice, **schema, "type": [kind, "null"]}


def _inner(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from schema.get("properties", {}).values()
    yield from schema.get("anyOf", [])
    for name in ("items", "additionalProperties", "propertyNames"):
        if isinstance(schema.get(name), dict):
            yield schema[name]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter, which may be omitted but is never null."""
    choices = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
    if len(choices) != 1:
        return schema
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    return {**choices[0], **rest}

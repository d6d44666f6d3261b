"""Examples of responses, composed from the examples of their parts.

A schema's own example takes precedence; otherwise its members are put together. A format or an enum
needs no example: identifiers are the same wherever the same kind of object is named.
"""

import re
import zlib
from typing import Any

_TIME = "2026-11-22T10:00:00Z"
_WORD = re.compile(r"[A-Z][a-z]*$")


class NoExample(LookupError):
    """A part without an example, for which none can be derived."""


class Examples:
    """Composes examples of schemas of one document."""

    def __init__(self, schemas: dict[str, Any]) -> None:
        self._schemas = schemas

    def of(self, schema: dict[str, Any], name: str = "", owner: str = "") -> Any:
        """Return an example; raise `NoExample` for free text without one.

        `name` is the member with this schema, `owner` the schema with that member.
        """
        if "examples" in schema:
            return schema["examples"][0]
        if "$ref" in schema:
            target = schema["$ref"].rpartition("/")[2]
            return self.of(self._schemas[target], name, target)
        for choice in schema.get("anyOf", []):
            return self.of(choice, name, owner)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        return self._of_type(schema, name, owner)

    def _of_type(self, schema: dict[str, Any], name: str, owner: str) -> Any:
        kind = schema.get("type")
        if isinstance(kind, list):
            [kind] = [one for one in kind if one != "null"]
        match kind, schema.get("format"):
            case "object", _:
                return self._object(schema, owner)
            case "array", _:
                return [self.of(schema["items"], name, owner)]
            case "boolean", _:
                return False
            case "integer", _:
                return max(1, schema.get("minimum", 1))
            case "string", "date-time":
                return _TIME
            case "string", "uuid":
                return _identifier(name, owner)
        raise NoExample(f"{owner}.{name}")

    def _object(self, schema: dict[str, Any], owner: str) -> dict[str, Any]:
        if "properties" in schema:
            return {
                member: self.of(inner, member, owner)
                for member, inner in schema["properties"].items()
            }
        names = schema.get("propertyNames", {})
        values = schema.get("additionalProperties")
        if not names or not isinstance(values, dict):
            raise NoExample(owner)
        return {self.of(names): self.of(values)}


def _identifier(name: str, owner: str) -> str:
    """Return the id of the example object of its kind: `key_id` is the `id` of a `Key`."""
    word = _WORD.search(owner)
    kind = name.removesuffix("_id").removesuffix("_ids")
    if name == "id" and word is not None:
        kind = word[0].lower()
    return f"01938a5e-0000-7000-8000-{zlib.crc32(kind.encode()):012x}"

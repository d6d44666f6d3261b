"""The OpenAPI document as a whole: what readers and generated clients rely on, part by part."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from app.api.openapi_headers import HEADERS
from app.settings import Role
from tests.support.routes import document_of
from tests.support.world import Json, World

DOCUMENT = document_of(Role.ALL)
SCHEMAS: Json = DOCUMENT["components"]["schemas"]
OPERATIONS: dict[str, Json] = {
    operation["operationId"]: operation
    for item in DOCUMENT["paths"].values()
    for operation in item.values()
}
PROBLEM = "application/problem+json"
SECRETS = {"api_key", "api_secret", "api_passphrase"}
KEYWORDS = {
    "$ref",
    "additionalProperties",
    "anyOf",
    "const",
    "default",
    "description",
    "enum",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "pattern",
    "properties",
    "propertyNames",
    "required",
    "type",
    "writeOnly",
    "x-enum-varnames",
}
TYPES = {"array", "boolean", "integer", "null", "object", "string"}
"""No numbers: decimals are text."""
each_operation = pytest.mark.parametrize("name", OPERATIONS)


def parts(schema: Json) -> Iterator[Json]:
    """Yield the schema and all schemas in it."""
    yield schema
    for member in schema.get("properties", {}).values():
        yield from parts(member)
    for choice in schema.get("anyOf", []):
        yield from parts(choice)
    for keyword in ("items", "additionalProperties", "propertyNames"):
        if isinstance(schema.get(keyword), dict):
            yield from parts(schema[keyword])


def types(schema: Json) -> set[str]:
    """Return what a value of the schema may be, as far as the schema itself says."""
    named = schema.get("type", [])
    return {named} if isinstance(named, str) else set(named)


def media(operation: Json) -> Iterator[tuple[str, str, Json]]:
    """Yield status, media type and description of every possible response body."""
    for status, response in operation["responses"].items():
        for kind, described in response.get("content", {}).items():
            yield status, kind, described


def of_operations() -> Iterator[Json]:
    """Yield every schema that is outside the components."""
    for operation in OPERATIONS.values():
        for parameter in operation.get("parameters", []):
            yield parameter["schema"]
        for described in operation.get("requestBody", {}).get("content", {}).values():
            yield described["schema"]
        for _, _, described in media(operation):
            yield described["schema"]


def validate(schema: Json, value: Any) -> None:
    jsonschema_rs.validator_for({**schema, "components": DOCUMENT["components"]}).validate(value)


def test_the_document_says_what_it_is_and_where_it_is_served() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    assert DOCUMENT["info"]["license"] == {
        "name": "Apache License 2.0",
        "identifier": "Apache-2.0",
    }
    assert DOCUMENT["info"]["contact"]["name"]
    assert [server["url"] for server in DOCUMENT["servers"]] == ["/"]


def test_every_tag_has_a_text_and_is_used() -> None:
    texts = {tag["name"]: tag["description"] for tag in DOCUMENT["tags"]}
    assert all(texts.values())
    assert set(texts) == {tag for operation in OPERATIONS.values() for tag in operation["tags"]}


@each_operation
def test_every_operation_and_each_of_its_parts_is_described(name: str) -> None:
    operation = OPERATIONS[name]
    assert operation["summary"]
    assert operation["description"]
    assert len(operation["tags"]) == 1
    for parameter in operation.get("parameters", []):
        assert parameter["description"], parameter["name"]
        assert {"type": "null"} not in parameter["schema"].get("anyOf", []), parameter["name"]
    for status, response in operation["responses"].items():
        assert response["description"], status


@each_operation
def test_every_answer_has_an_example_that_fits_its_schema(name: str) -> None:
    for status, kind, described in media(OPERATIONS[name]):
        if kind == PROBLEM:
            examples = [example["value"] for example in described["examples"].values()]
        else:
            examples = [described["example"]]
        assert examples, (status, kind)
        for example in examples:
            validate(described["schema"], example)


@each_operation
def test_the_examples_of_every_body_fit_its_schema(name: str) -> None:
    for described in OPERATIONS[name].get("requestBody", {}).get("content", {}).values():
        schema = described["schema"]
        if "$ref" not in schema:  # lines of text
            validate(schema, described["example"])
            continue
        target = SCHEMAS[schema["$ref"].rpartition("/")[2]]
        assert target["examples"]
        for example in target["examples"]:
            validate(schema, example)


@each_operation
def test_every_answer_names_its_headers(name: str) -> None:
    for status, response in OPERATIONS[name]["responses"].items():
        headers = response["headers"]
        assert "X-Request-ID" in headers
        assert all(
            described == {"$ref": f"#/components/headers/{header}"}
            for header, described in headers.items()
        )
        codes = response.get("content", {}).get(PROBLEM, {}).get("examples", {})
        refused = bool({"unauthenticated", "missing_scope"} & {*codes})
        assert ("WWW-Authenticate" in headers) == refused
        assert ("Retry-After" in headers) >= (status in {"429", "503"} and bool(codes))
        assert ("Location" in headers) == (status in {"201", "202"})


def test_every_header_has_a_text_and_a_schema_and_is_used() -> None:
    used = {
        header
        for operation in OPERATIONS.values()
        for response in operation["responses"].values()
        for header in response["headers"]
    }
    assert used == set(HEADERS) == set(DOCUMENT["components"]["headers"])
    for header in HEADERS.values():
        assert header["description"]
        assert header["schema"]


def test_every_schema_is_named_and_worded_for_generators() -> None:
    for name in SCHEMAS:
        assert re.fullmatch(r"[A-Z][A-Za-z]+", name)
        assert not name.startswith("New")
        assert not {"Answer", "Counts", "Curve", "Endpoints", "Figures", "Kept", "Period"} & {name}
        for schema in parts(SCHEMAS[name]):
            assert set(schema) <= KEYWORDS, name
            assert types(schema) <= TYPES, name
            assert schema != {"type": "null"} or schema in [
                choice for outer in parts(SCHEMAS[name]) for choice in outer.get("anyOf", [])
            ], f"{name} has a member that is always null"


def test_objects_and_enums_stand_in_no_other_schema_but_under_a_name() -> None:
    for name in SCHEMAS:
        _, *inner = parts(SCHEMAS[name])
        for schema in inner:
            assert "object" not in types(schema), name
            assert "properties" not in schema, name
            assert "enum" not in schema or name == "ProblemCode", name


def test_objects_stand_in_no_operation_but_under_a_name() -> None:
    for outer in of_operations():
        for schema in parts(outer):
            assert "object" not in types(schema)
            assert set(schema) <= KEYWORDS


def test_every_schema_is_used() -> None:
    everywhere = [*of_operations(), *SCHEMAS.values()]
    used = {schema.get("$ref", "") for outer in everywhere for schema in parts(outer)}
    assert {reference.rpartition("/")[2] for reference in used} - {""} == set(SCHEMAS)


def test_constants_of_enums_are_one_scope_s_without_a_clash() -> None:
    constants = Counter(
        constant.upper()
        for schema in SCHEMAS.values()
        if "enum" in schema
        for constant in schema.get("x-enum-varnames", schema["enum"])
    )
    assert [constant for constant, count in constants.items() if count > 1] == []
    for schema in SCHEMAS.values():
        if "x-enum-varnames" in schema:
            assert len(schema["x-enum-varnames"]) == len(schema["enum"])


def test_every_decimal_is_text_with_a_pattern() -> None:
    """Its example shows which text is one: names, versions and identifiers look otherwise."""
    decimals = [
        schema
        for outer in SCHEMAS.values()
        for schema in parts(outer)
        if any(re.fullmatch(r"-?\d+(\.\d+)?", str(text)) for text in schema.get("examples", []))
        and "integer" not in types(schema)
    ]
    assert len(decimals) > 60
    for schema in decimals:
        assert "string" in types(schema)
        assert "[0-9]" in schema["pattern"]


def test_secrets_are_passwords_that_are_written_only() -> None:
    found = [
        member
        for schema in SCHEMAS.values()
        for name, outer in schema.get("properties", {}).items()
        if name in SECRETS
        for member in parts(outer)
        if "string" in types(member)
    ]
    assert len(found) == 2 * len(SECRETS)
    assert all(secret["format"] == "password" and secret["writeOnly"] for secret in found)


def test_every_list_is_a_page_of_one_shape() -> None:
    lists = {
        name: schema
        for name, schema in SCHEMAS.items()
        if "next_cursor" in schema.get("properties", {})
    }
    assert len(lists) > 10
    for schema in lists.values():
        cursor = schema["properties"]["next_cursor"]
        assert cursor["type"] == ["string", "null"]
        assert cursor["description"]
        assert schema["properties"]["items"]["type"] == "array"
        assert {"items", "next_cursor"} <= set(schema["required"])


@pytest.mark.parametrize("name", ["streamConfig", "streamOperation"])
def test_a_stream_says_what_a_generated_client_should_do(name: str) -> None:
    assert "enerated client" in OPERATIONS[name]["description"]


PREFILLED = sorted(
    name
    for name, operation in OPERATIONS.items()
    if operation.get("security", [{}])[:1] != [{}]
    and "userToken" in str(operation["security"])
    and not any(
        parameter["in"] == "path" or parameter["required"]
        for parameter in operation.get("parameters", [])
    )
)


@pytest.mark.parametrize("name", PREFILLED)
async def test_the_first_execute_of_the_page_succeeds_in_an_empty_account(
    world: World, name: str
) -> None:
    """Send what the page prefills: the body's example, and only the defaults of parameters."""
    [(path, method)] = [
        (path, method)
        for path, item in DOCUMENT["paths"].items()
        for method, operation in item.items()
        if operation["operationId"] == name
    ]
    body = None
    if "requestBody" in OPERATIONS[name]:
        [described] = OPERATIONS[name]["requestBody"]["content"].values()
        body = SCHEMAS[described["schema"]["$ref"].rpartition("/")[2]]["examples"][0]

    answer = await world.user().call(method.upper(), path, body)

    assert answer.is_success, answer.text

"""No text of a body that is shown to people may hide characters, on any route."""

from typing import Any
from uuid import UUID

from app.settings import Role
from tests.api.test_strict_bodies import PARAMETERS, Member
from tests.support.routes import RouteUnderTest, document_of, routes_of
from tests.support.world import Json, World

HIDING = ["a\u3164b", "a\u200bb", "a\u202eb", "a\ufe0fb", "a\u00adb", "\U000e0041a", "\u2800"]
UNSEEN = {"api_key", "api_secret", "api_passphrase", "public_key", "message"}
"""Sealed or read by programs; and reports of several lines."""


def texts(document: Json, schema: Json, place: tuple[str | int, ...]) -> Any:
    """Yield the places of all texts that are free: no enum, format or decimal."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for choice in schema.get("anyOf", []):
        yield from texts(document, choice, place)
    closed = {"enum", "format", "const"} & schema.keys() or "[0-9]" in schema.get("pattern", "")
    if "string" in schema.get("type", ()) and not closed:
        yield place
    for name, inner in schema.get("properties", {}).items():
        yield from texts(document, inner, (*place, name))
    if "items" in schema:
        yield from texts(document, schema["items"], (*place, 0))


def found(route: RouteUnderTest) -> list[Member]:
    document = document_of(Role.ALL)
    schema = route.operation["requestBody"]["content"]["application/json"]["schema"]
    places = dict.fromkeys(texts(document, schema, ()))
    return [Member(route, place, "text") for place in places if place[-1] not in UNSEEN]


async def test_no_free_text_hides_characters(world: World) -> None:
    user = world.user()
    bot, _, _ = await user.ready_bot()
    looked_at = set()
    for route in routes_of(Role.ALL):
        for member in found(route) if route.takes_body else []:
            caller = bot if route.access.for_bots else user
            path = route.path.format(
                **{name: PARAMETERS.get(name, UUID(int=1)) for name in route.parameters}
            )
            for text in HIDING:
                body = member.body(text)
                answer = await caller.call(route.method, path, body)
                refused = answer.status_code == 422
                if answer.status_code == 200 and "results" in answer.json():
                    refused = answer.json()["results"][0].get("code") == "invalid_item"
                assert refused, (route.operation_id, member.place, text, answer.text)
                assert text not in answer.text
            looked_at.add(member.place[-1])
    assert {"label", "name", "reason", "kind", "exit_reason", "symbol", "id", "settle"} <= looked_at

"""Documents built by hand have exactly the members of their schema, and show masks only."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from app.custody.fingerprint import mask
from app.domains.keys.schemas import Key, KeyPage
from botkeys.sealing.secret import Secret
from tests.support.variants import add_unchecked
from tests.support.world import World

NOT_ALWAYS = {"adjusted"}
"""Members of the answer that stored the credentials, if something was changed in them."""


def members(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def check_members(document: Any, schema: BaseModel) -> None:
    """Check recursively that no member is missing and none is additional."""
    assert set(document) - NOT_ALWAYS == members(type(schema)) - NOT_ALWAYS
    for name, field in type(schema).model_fields.items():
        value = getattr(schema, name)
        if isinstance(value, BaseModel):
            check_members(document[field.alias or name], value)


async def test_a_key_document_is_the_schema_no_more_no_less(world: World) -> None:
    user = world.user()
    bot, _, key = await user.ready_bot()
    body = {"suite": "x25519", "public_key": "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"}
    assert (await bot.post("/v1/runtime/credentials", body)).status_code == 200
    await user.add_key("expiring", exchange="bybit", environment="live")
    bare = await add_unchecked(user)

    page = (await user.get("/v1/keys")).json()
    KeyPage.model_validate(page)
    for document in [bare, (await user.get(f"/v1/keys/{key['id']}")).json(), *page["items"]]:
        check_members(document, Key.model_validate(document))
    full = (await user.get(f"/v1/keys/{key['id']}")).json()
    assert full["bot"] is not None
    assert set(full["last_release"]) == {"at", "from"}


@pytest.mark.parametrize(
    ("api_key", "shown"),
    [
        ("abcdefghijklmnopqrstuvwxyz", "abcd…wxyz"),
        ("abcdefghijklmnopqrstuvwx", "abcd…uvwx"),
        ("abcdefghijklmnopqrstuvw", "abc…uvw"),
        ("abcdefghijkl", "ab…kl"),
        ("abcdef", "a…f"),
        ("abcde", "…"),
        ("a", "…"),
    ],
)
async def test_the_mask_shows_less_of_short_keys(world: World, api_key: str, shown: str) -> None:
    user = world.user()

    key = await add_unchecked(user, api_key=api_key)

    assert key["masked_key"] == shown
    assert (await user.get("/v1/keys")).json()["items"][0]["masked_key"] == shown


@given(st.text(st.characters(exclude_characters="…"), max_size=300))
def test_a_mask_never_shows_more_than_a_third_or_four_at_an_end(api_key: str) -> None:
    head, ellipsis, tail = mask(Secret(api_key)).partition("…")
    assert ellipsis
    assert api_key.startswith(head)
    assert api_key.endswith(tail)
    assert len(head) == len(tail) <= 4
    assert 3 * (len(head) + len(tail)) <= len(api_key)

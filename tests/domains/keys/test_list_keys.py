"""The list of keys: filters, search and pages."""

from typing import Any

from app.domains.keys.schemas import KeyPage
from tests.support.variants import add_unchecked
from tests.support.world import User, World


async def labels(user: User, query: str = "") -> list[str]:
    """Return the labels on the first page, newest first."""
    answer = await user.get(f"/v1/keys{query}")
    assert answer.status_code == 200, answer.text
    KeyPage.model_validate(answer.json())
    return [item["label"] for item in answer.json()["items"]]


async def fill(world: World, *keys: dict[str, Any]) -> list[dict[str, Any]]:
    user = world.user()
    return [await add_unchecked(user, number, **changes) for number, changes in enumerate(keys, 1)]


async def test_an_account_without_keys_has_an_empty_list(world: World) -> None:
    answer = await world.user().get("/v1/keys")

    assert answer.json() == {"items": [], "next_cursor": None}


async def test_newest_come_first(world: World) -> None:
    await fill(world, {"label": "first"}, {"label": "second"}, {"label": "third"})

    assert await labels(world.user()) == ["third", "second", "first"]


async def test_each_filter_leaves_what_it_names(world: World) -> None:
    user = world.user()
    keys = await fill(
        world,
        {"label": "a", "environment": "live"},
        {"label": "b", "active": False},
        {"label": "c", "exchange": "bybit", "environment": "live"},
        {"label": "d"},
    )
    bot = await user.add_bot()
    await user.assign(bot["id"], keys[3]["id"])

    assert await labels(user, "?environment=live") == ["c", "a"]
    assert await labels(user, "?environment=testnet") == ["d", "b"]
    assert await labels(user, "?exchange=bybit") == ["c"]
    assert await labels(user, "?active=false") == ["b"]
    assert await labels(user, "?active=true") == ["d", "c", "a"]
    assert await labels(user, "?assigned=true") == ["d"]
    assert await labels(user, "?assigned=false") == ["c", "b", "a"]
    assert await labels(user, "?environment=live&exchange=binance") == ["a"]
    assert await labels(user, "?assigned=true&active=false") == []
    assert (await user.get("/v1/keys?assigned=true")).json()["items"][0]["bot"] == {
        "id": bot["id"],
        "name": bot["name"],
    }


SEARCHES = {
    "perps": ["BTC Perps Key", "perps 100%"],
    "PERPS": ["BTC Perps Key", "perps 100%"],
    "100%25": ["perps 100%"],
    "%25": ["perps 100%"],
    "a_b": ["a_b"],
    "_": ["a_b"],
    "/": ["with/slash"],
    "%5C": ["back\\slash"],
    "%27": ["O'Hara"],
    "bybit": ["with/slash"],
    "ByBit": ["with/slash"],
    "BTC%20Perps": ["BTC Perps Key"],
    "abcd": ["O'Hara"],
    "nothing%20like%20it": [],
}


async def test_search_means_what_was_typed_whatever_the_case(world: World) -> None:
    await fill(
        world,
        {"label": "perps 100%"},
        {"label": "BTC Perps Key"},
        {"label": "a_b"},
        {"label": "axb"},
        {"label": "with/slash", "exchange": "bybit"},
        {"label": "back\\slash"},
        {"label": "O'Hara", "api_key": "abcd" + "0" * 56 + "wxyz"},
    )

    found = {search: sorted(await labels(world.user(), f"?search={search}")) for search in SEARCHES}

    assert found == SEARCHES


async def test_search_folds_the_case_of_other_scripts(world: World) -> None:
    await fill(world, {"label": "ÜBERSEE Ключ"})

    assert await labels(world.user(), "?search=übersee") == ["ÜBERSEE Ключ"]
    assert await labels(world.user(), "?search=КЛЮЧ") == ["ÜBERSEE Ключ"]


async def test_an_empty_search_finds_all(world: World) -> None:
    await fill(world, {}, {})

    assert len(await labels(world.user(), "?search=")) == 2


async def test_search_does_not_look_into_the_hidden_part_of_a_key(world: World) -> None:
    await fill(world, {"label": "plain", "api_key": "head" + "middle" * 5 + "tail"})

    assert await labels(world.user(), "?search=middle") == []


async def pages(user: User, query: str) -> list[list[str]]:
    """Return the ids on each page, following all cursors."""
    found: list[list[str]] = []
    cursor = ""
    while True:
        answer = await user.get(f"/v1/keys?{query}{cursor}")
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found.append([item["id"] for item in page["items"]])
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


async def test_pages_hold_every_key_once(world: World) -> None:
    user = world.user()
    keys = await fill(world, *[{}] * 7)
    newest_first = [key["id"] for key in reversed(keys)]

    for limit, sizes in [(3, [3, 3, 1]), (7, [7]), (1, [1] * 7), (200, [7])]:
        found = await pages(user, f"limit={limit}")
        assert [len(page) for page in found] == sizes
        assert [key for page in found for key in page] == newest_first


async def test_pages_go_on_where_they_were_when_keys_come_and_go(world: World) -> None:
    user = world.user()
    keys = await fill(world, *[{"label": f"old {number}"} for number in range(7)])
    first = (await user.get("/v1/keys?limit=3")).json()

    await add_unchecked(user, 100)
    last_shown = first["items"][-1]["id"]
    assert (await user.delete(f"/v1/keys/{last_shown}")).status_code == 200
    await user.patch(f"/v1/keys/{keys[0]['id']}", {"label": "renamed meanwhile"})
    second = (await user.get(f"/v1/keys?limit=3&cursor={first['next_cursor']}")).json()
    third = (await user.get(f"/v1/keys?limit=3&cursor={second['next_cursor']}")).json()

    assert [item["label"] for item in second["items"]] == ["old 3", "old 2", "old 1"]
    assert [item["label"] for item in third["items"]] == ["renamed meanwhile"]
    assert third["next_cursor"] is None


async def test_pages_keep_to_their_filter(world: World) -> None:
    changes = [{"environment": "live" if number % 2 else "testnet"} for number in range(9)]
    await fill(world, *changes)

    found = await pages(world.user(), "environment=live&limit=2")

    assert [len(page) for page in found] == [2, 2]


MEANINGLESS = [
    "environment=mainnet",
    "exchange=ftx",
    "active=perhaps",
    "assigned=2",
    "limit=0",
    "limit=201",
    "limit=-1",
    "limit=many",
    "cursor=nonsense",
    "cursor=",
    "cursor=AAAA",
    "cursor=%F0%9F%98%80",
    "search=" + "x" * 101,
    "search=%00",
]


async def test_a_query_that_means_nothing_is_refused(world: World) -> None:
    user = world.user()
    for query in MEANINGLESS:
        answer = await user.get(f"/v1/keys?{query}")

        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), query
        assert answer.json()["errors"][0]["loc"] == ["query", query.partition("=")[0]]


async def test_the_keys_of_others_are_never_listed(world: World) -> None:
    await world.user("bob").post("/v1/keys", world.unchecked_key())

    assert await labels(world.user("alice")) == []

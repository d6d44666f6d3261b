"""GET /v1/exchanges: what each exchange offers, as a dashboard needs it."""

import re
from dataclasses import replace
from typing import Any

from app.domains.catalogue.schemas import ExchangeList
from app.settings import Settings
from tests.support.world import World

ORDER = [
    "bitmex",
    "bybit",
    "binance",
    "kraken",
    "okx",
    "kucoin",
    "deribit",
    "gemini",
    "phemex",
    "woox",
]
MEMBERS = {
    "exchange",
    "name",
    "environments",
    "contract_types",
    "margin_modes",
    "margin_mode_scope",
    "leverage",
    "leverage_margin_modes",
    "credential_fields",
    "required_permissions",
    "permissions",
    "forbidden_permissions",
    "address_restriction",
    "expiry",
    "setup_steps",
    "key_pairs",
    "key_pair_help",
}
OF_AN_ENVIRONMENT = {
    "availability",
    "note",
    "portal_url",
    "regions",
    "region_names",
    "advice",
}
SENTENCE = re.compile(r"[A-Z].*[.]", re.DOTALL)


async def exchanges(world: World) -> dict[str, dict[str, Any]]:
    answer = await world.user(scopes="").get("/v1/exchanges")
    assert answer.status_code == 200, answer.text
    ExchangeList.model_validate(answer.json())
    assert answer.json()["next_cursor"] is None
    return {item["exchange"]: item for item in answer.json()["items"]}


async def test_all_ten_are_listed_in_order_whole(world: World) -> None:
    listed = await exchanges(world)

    assert list(listed) == ORDER
    for item in listed.values():
        assert set(item) == MEMBERS
        assert set(item["environments"]) == {"live", "testnet"}
        for environment in item["environments"].values():
            assert set(environment) == OF_AN_ENVIRONMENT
        assert item["setup_steps"]
        assert item["required_permissions"]
        fields = [field["name"] for field in item["credential_fields"]]
        assert fields[:2] == ["api_key", "api_secret"]


async def test_what_differs_between_exchanges_is_shown(world: World) -> None:
    listed = await exchanges(world)

    def those(condition: Any) -> set[str]:
        return {name for name, item in listed.items() if condition(item)}

    assert those(lambda item: item["contract_types"] == ["linear"]) == {"gemini", "woox"}
    assert those(lambda item: item["margin_modes"] == ["cross"]) == {"deribit", "gemini"}
    assert those(lambda item: item["leverage"] == "implicit") == {"deribit", "gemini"}
    assert those(lambda item: not item["leverage_margin_modes"]) == {"deribit", "gemini"}
    assert those(lambda item: item["leverage_margin_modes"] == ["isolated"]) == {"kraken"}
    assert those(lambda item: len(item["credential_fields"]) == 3) == {"okx", "kucoin"}
    assert those(lambda item: item["environments"]["live"]["regions"]) >= {"okx"}
    closed = {
        (name, environment): state["availability"]
        for name, item in listed.items()
        for environment, state in item["environments"].items()
        if state["availability"] != "available"
    }
    assert closed == {
        ("bitmex", "live"): "closed",
        ("bitmex", "testnet"): "closed",
        ("kucoin", "testnet"): "discontinued",
        ("gemini", "live"): "unconfirmed",
    }


async def test_the_dialog_has_a_name_and_a_sentence_for_everything(world: World) -> None:
    for item in (await exchanges(world)).values():
        assert item["required_permissions"] == [each["name"] for each in item["permissions"]]
        assert item["forbidden_permissions"]
        restriction, expiry = item["address_restriction"], item["expiry"]
        sentences = [
            *(each["help"] for each in item["permissions"] + item["forbidden_permissions"]),
            *(field["help"] for field in item["credential_fields"]),
            *filter(None, (restriction["help"], restriction["without"], expiry["help"])),
            *filter(None, [item["key_pair_help"]]),
            *item["setup_steps"],
        ]
        for environment in item["environments"].values():
            assert set(environment["region_names"]) == set(environment["regions"])
            sentences += environment["advice"]
        assert [text for text in sentences if not SENTENCE.fullmatch(text)] == []
        assert (item["key_pair_help"] is None) == (item["key_pairs"] == [])


async def test_what_becomes_of_keys_without_addresses_is_stated_where_it_is_known(
    world: World,
) -> None:
    listed = await exchanges(world)

    known = {name for name, item in listed.items() if item["address_restriction"]["without"]}
    assert known == {"bybit", "binance", "okx"}
    assert "90 days" in listed["bybit"]["address_restriction"]["without"]
    assert "deletes" in listed["binance"]["address_restriction"]["without"]
    assert "14 days" in listed["okx"]["address_restriction"]["without"]
    hidden = {name for name, item in listed.items() if not item["address_restriction"]["revealed"]}
    assert hidden == {"deribit", "gemini", "phemex", "woox"}
    assert {name for name, item in listed.items() if item["expiry"]["revealed"]} == {"bybit"}


async def test_every_environment_that_exists_says_what_is_different_there(world: World) -> None:
    for item in (await exchanges(world)).values():
        live, testnet = item["environments"]["live"], item["environments"]["testnet"]
        if live["availability"] == "available":
            assert any("real funds" in sentence for sentence in live["advice"])
        if testnet["availability"] == "available":
            assert any("synthetic" in sentence for sentence in testnet["advice"])
            assert any("reset" in sentence for sentence in testnet["advice"])
        else:
            assert testnet["note"]


async def test_the_list_needs_a_token_and_no_scope(world: World) -> None:
    assert (await world.http.get("/v1/exchanges")).status_code == 401
    assert (await world.user(scopes="").get("/v1/exchanges")).status_code == 200


async def test_what_is_offered_is_what_is_taken(world: World) -> None:
    """A form built from the list is never refused for what the list promised."""
    user = world.user()
    for name, item in (await exchanges(world)).items():
        fields = {field["name"]: "c2VjcmV0" for field in item["credential_fields"]}
        for environment in item["environments"]:
            for contract_type in item["contract_types"]:
                body = {
                    "label": name,
                    "exchange": name,
                    "environment": environment,
                    "contract_type": contract_type,
                    "verify": False,
                    **fields,
                    "api_key": f"{name}-{environment}-{contract_type}",
                }
                answer = await user.post("/v1/keys", body)
                assert answer.status_code == 201, answer.text


async def test_the_operator_states_from_where_keys_are_checked(world: World) -> None:
    assert (await world.user().get("/v1/exchanges")).json()["outbound_addresses"] == []

    settings = Settings(
        mode=world.context.settings.mode, outbound_addresses="203.0.113.7, 2001:DB8::/64"
    )
    world.app.state.context = replace(world.context, settings=settings)

    listed = (await world.user().get("/v1/exchanges")).json()
    assert listed["outbound_addresses"] == ["203.0.113.7", "2001:db8::/64"]


async def test_a_client_learns_whether_the_exchanges_are_simulated(world: World) -> None:
    real = replace(
        world.context, settings=world.context.settings.model_copy(update={"exchanges": "real"})
    )
    assert (await world.user().get("/v1/exchanges")).json()["simulated"] is True
    world.app.state.context = real
    assert (await world.user().get("/v1/exchanges")).json()["simulated"] is False

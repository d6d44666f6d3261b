"""A chapter of the demo: a key of each of the ten exchanges, in both environments."""

import asyncio
from dataclasses import dataclass

import httpx

from examples.scene import Scene
from examples.search import SHORTEST
from examples.story import Json

PLACES = 20
_SHOWN = ("read", "trade", "withdraw", "ip_restricted")


@dataclass(frozen=True, slots=True)
class Visit:
    """The results of the three calls for one exchange and environment."""

    exchange: str
    environment: str
    added: httpx.Response
    listed: httpx.Response
    deleted: httpx.Response


async def walk_through_all(scene: Scene) -> None:
    """Use another account, so that Alice's list and log stay her own."""
    story = scene.story
    token = scene.planted["token of Carol"] = scene.service.token("carol")
    answer = await scene.call("GET", "/v1/exchanges")
    places = [
        (item["exchange"], item["contract_types"][-1], environment)
        for item in answer.json()["items"]
        for environment in item["environments"]
    ]
    visits = await asyncio.gather(*(_visit(scene, token, *place) for place in places))
    for visit in visits:
        story.call(visit.added, 201)
        story.say(f"   {visit.exchange}, {visit.environment}: {_permissions(visit.added.json())}")
        story.call(visit.listed, 200)
        first = visit.listed.json()["items"][0]
        story.say(
            f"   {first['symbol']} at {first['price']} {first['quote']}, "
            f"at most {first['max_leverage'] or 'an unknown number of'} times"
        )
        story.call(visit.deleted, 200)
    accepted = [
        visit for visit in visits if visit.added.json()["verification"]["status"] == "verified"
    ]
    story.check(
        len(accepted) == len(visits) == PLACES,
        "ten exchanges in two environments accepted their key, by their own signature",
    )
    story.check(
        all(visit.added.json()["permissions"]["withdraw"] != "yes" for visit in visits),
        "none of them can withdraw, as far as its exchange reports",
    )
    story.check(
        all(visit.listed.json()["items"][0]["price"] is not None for visit in visits),
        "each lists its instruments with their prices",
    )


async def _visit(
    scene: Scene, token: str, exchange: str, contract_type: str, environment: str
) -> Visit:
    credentials = scene.variants[exchange][environment]["trade"]
    scene.plant(
        f"the {environment} key of {exchange}",
        {name: text for name, text in credentials.items() if len(text) >= SHORTEST},
    )
    headers = {"Authorization": f"Bearer {token}"}
    body = {
        "label": f"{exchange} {environment}",
        "exchange": exchange,
        "environment": environment,
        "contract_type": contract_type,
        **credentials,
    }
    added = await scene.http.post("/v1/keys", json=body, headers=headers)
    path = f"/v1/keys/{added.json().get('id', 'none')}"
    listed = await scene.http.get(f"{path}/instruments?search=btc&limit=1", headers=headers)
    deleted = await scene.http.delete(path, headers=headers)
    return Visit(exchange, environment, added, listed, deleted)


def _permissions(key: Json) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {key['permissions'][name]}" for name in _SHOWN)

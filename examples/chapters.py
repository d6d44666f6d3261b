"""The chapters of the demo, in order. Each makes real calls and checks their results."""

import json

from botkeys.client import BotClient, NoKey, ReleasedCredentials
from examples.database import dump
from examples.okx_order import place_order, place_order_with_wrong_secret
from examples.scene import Scene
from examples.search import files_below, find
from examples.service import PARTS
from examples.story import Json

LABEL = "OKX paper trading"
SYMBOL = "BTC-USDT-SWAP"
_WRONG_SIGNATURE = "50113"


async def start(scene: Scene) -> None:
    story, service = scene.story, scene.service
    story.say("production mode: each role is a process of its own, with its own login and keys")
    story.command("botkeys migrate")
    story.command("botkeys master-key create --dir keys")
    for command in PARTS.values():
        story.command(f"botkeys {' '.join(command)}")
    await service.start()
    for role, address in (("runtime", service.runtime_url), ("api", service.url)):
        answer = await scene.http.get(f"{address}/readyz")
        story.call(answer, 200, "checks")
        checks = answer.json()["checks"]
        story.check(
            len(checks) == 5 and set(checks.values()) == {"ok"},
            f"{role}: database, migrations, grants, master key and issuer are in order",
        )
    held = {role: service.held(role) for role in PARTS}
    story.check(
        held
        == {
            "runtime": {"master-0001.private", "token-hmac", "audit-hmac"},
            "api": {"master-0001.public", "fingerprint-hmac", "audit-hmac", "webhook-key"},
            "catalogue": set(),
            "purge": set(),
            "webhooks": {"webhook-key"},
        },
        "api has no private master key, runtime no public one, and no worker has either",
    )
    foreign = await scene.http.get(f"{service.runtime_url}/v1/exchanges")
    story.check(foreign.status_code == 404, "runtime does not have the routes of api")
    story.say("the demo's issuer gives Alice a token")
    scene.planted["token of Alice"] = service.token("alice")
    answer = await scene.call("GET", "/v1/exchanges")
    story.call(answer, 200, "items[].exchange")
    story.check(len(answer.json()["items"]) == 10, "ten exchanges are offered")
    story.command("botkeys simulator credentials")
    scene.variants = json.loads(await service.run("simulator", "credentials"))


async def add_binance(scene: Scene) -> None:
    credentials = scene.variants["binance"]["testnet"]["trade"]
    scene.plant("the Binance key", credentials)
    answer = await scene.call(
        "POST",
        "/v1/keys",
        {
            "label": "Binance demo",
            "exchange": "binance",
            "environment": "testnet",
            "contract_type": "linear",
            **credentials,
        },
    )
    scene.story.call(answer, 201, "label", "masked_key", "verification.status", "permissions")
    key = answer.json()
    scene.keys["binance"] = key["id"]
    scene.story.check(
        key["verification"]["status"] == "verified", "the exchange accepts the key: it is stored"
    )
    permissions = {
        name: key["permissions"][name] for name in ("trade", "withdraw", "ip_restricted")
    }
    scene.story.check(
        set(permissions.values()) == {"unknown"},
        "Binance's test host does not reveal what a key may do: unknown, and not guessed",
    )


async def add_okx(scene: Scene) -> None:
    credentials = scene.variants["okx"]["testnet"]["trade"]
    scene.plant("the OKX key", credentials)
    answer = await scene.call("POST", "/v1/keys", okx_key(LABEL, credentials))
    scene.story.say("api_secret is typed as secret:passphrase")
    scene.story.call(answer, 201, "label", "masked_key", "verification.status", "permissions")
    key = answer.json()
    scene.keys["okx"] = key["id"]
    scene.story.check(
        key["verification"]["status"] == "verified", "secret and passphrase were separated"
    )
    scene.story.check(
        (key["permissions"]["trade"], key["permissions"]["withdraw"]) == ("yes", "no"),
        "OKX reports what the key may do: trade, and not withdraw",
    )


async def refuse_withdrawal(scene: Scene) -> None:
    credentials = scene.variants["okx"]["testnet"]["withdraw"]
    scene.plant("the withdrawing key", credentials)
    answer = await scene.call("POST", "/v1/keys", okx_key("OKX too mighty", credentials))
    scene.story.call(answer, 422, "code", "detail")
    scene.logged_request = answer.headers["x-request-id"]
    scene.story.check(
        answer.json()["code"] == "withdrawal_permission",
        "a key that can withdraw is not taken",
    )


async def show_masks(scene: Scene) -> None:
    answer = await scene.call("GET", "/v1/keys")
    scene.story.call(answer, 200, "items[].label", "items[].environment", "items[].masked_key")
    masks = {item["id"]: item["masked_key"] for item in answer.json()["items"]}
    scene.story.check(
        set(masks) == set(scene.keys.values()), "both keys are there, and the refused one is not"
    )
    api_key = scene.planted["api_key of the OKX key"]
    scene.story.check(
        masks[scene.keys["okx"]] == f"{api_key[:4]}…{api_key[-4:]}",
        "of an API key the ends are shown, of its secret nothing",
    )
    shown = [name for name, text in scene.planted.items() if text in answer.text]
    scene.story.check(shown == [], "none of what was entered stands in the answer")


async def give_bot_key(scene: Scene) -> None:
    story = scene.story
    answer = await scene.call("POST", "/v1/bots", {"name": "Grid BTC"})
    story.call(answer, 201, "name", "key")
    scene.bot_id = answer.json()["id"]
    answer = await scene.call("POST", f"/v1/bots/{scene.bot_id}/token")
    story.call(answer, 201)
    scene.bot_token = scene.planted["token of the bot"] = answer.json()["token"]
    story.check(
        scene.bot_token.startswith("bkb_"),
        f"the bot has a token, shown this once: {scene.bot_token[:4]}…",
    )
    answer = await scene.call("PUT", f"/v1/bots/{scene.bot_id}/key", {"key_id": scene.keys["okx"]})
    story.call(answer, 200, "name", "key.label")
    story.check(
        answer.json()["key"]["id"] == scene.keys["okx"],
        "the bot has the OKX key",
    )


async def refuse_second_bot(scene: Scene) -> None:
    answer = await scene.call("POST", "/v1/bots", {"name": "Momentum ETH"})
    second = scene.second_bot_id = answer.json()["id"]
    answer = await scene.call("PUT", f"/v1/bots/{second}/key", {"key_id": scene.keys["okx"]})
    scene.story.call(answer, 409, "code", "detail")
    scene.story.check(
        answer.json()["code"] == "key_assigned",
        "a key that trades for one bot is not given to another",
    )


async def trade(scene: Scene) -> None:
    story = scene.story
    story.say(
        "bot: async with BotClient(url, token, key_id=…, exchange=…, environment=…) as client"
    )
    async with scene.client() as client:
        credentials = await client.credentials()
        story.say("bot: credentials = await client.credentials()   # opened in its memory only")
        story.check(
            is_what_was_entered(credentials, scene.variants["okx"]["testnet"]["trade"]),
            "what it opened is what Alice entered",
        )
        story.say(f"bot: print(credentials)   # {credentials!r}")
        story.say(f"bot: POST {credentials.endpoints.rest}/api/v5/trade/order, signed")
        code = await place_order(credentials, SYMBOL, "1")
        story.check(code == "0", f"the exchange accepts the order for {SYMBOL} (code {code})")
        code = await place_order_with_wrong_secret(credentials, SYMBOL)
        story.check(
            code == _WRONG_SIGNATURE, f"and refuses it when signed with another secret ({code})"
        )
    answer = await scene.call("GET", f"/v1/keys/{scene.keys['okx']}")
    story.call(answer, 200, "bot.name", "last_release")
    story.check(
        answer.json()["last_release"]["from"] == "127.0.0.1",
        "Alice sees when the key was last released, and to which address",
    )


async def unassign_and_delete(scene: Scene) -> None:
    story = scene.story
    scene.dumps["the database, keys still in it"] = await dump(scene.service.data)
    async with scene.client() as client:
        credentials = await client.credentials()
        answer = await scene.call("DELETE", f"/v1/bots/{scene.bot_id}/key")
        story.call(answer, 200, "name", "key")
        await client.config()
        story.check(credentials.forgotten, "the bot hears of it and drops what it had opened")
        story.check(await gets_nothing(client), "asking again, it gets nothing: no_key")
    answer = await scene.call("DELETE", f"/v1/bots/{scene.bot_id}")
    story.call(answer, 204)
    for name, key_id in scene.keys.items():
        answer = await scene.call("DELETE", f"/v1/keys/{key_id}")
        story.call(answer, 200, "deleted")
        story.check(
            answer.json()["deleted"]["credentials"] == 1,
            f"the {name} key and its credentials are gone",
        )
    answer = await scene.call("GET", "/v1/keys")
    story.call(answer, 200, "items")
    story.check(answer.json()["items"] == [], "no key is left")


async def read_audit(scene: Scene) -> None:
    answer = await scene.call("GET", "/v1/audit-events")
    scene.story.call(answer, 200)
    events = [(event["action"], event["outcome"]) for event in reversed(answer.json()["items"])]
    for action, outcome in events:
        scene.story.say(f"   {action:<18} {outcome}")
    scene.story.check(
        {
            ("key.add", "refused"),
            ("bot.assign_key", "refused"),
            ("key.release", "allowed"),
            ("position.close", "allowed"),
        }
        <= set(events),
        "every change, refusal and release is in the audit log",
    )


async def search_secrets(scene: Scene) -> None:
    story = scene.story
    scene.dumps["the database at the end"] = await dump(scene.service.data)
    statuses = await scene.service.stop()
    story.check(
        statuses == dict.fromkeys(PARTS, 0), "all five processes stopped as they should: status 0"
    )
    files = list(files_below(scene.service.data))
    places = [
        *scene.dumps.items(),
        ("its log", scene.service.log.read_bytes()),
        ("this story", story.transcript().encode()),
        ("what the bot printed", "\n".join(scene.bot.lines).encode() if scene.bot else b""),
        *files,
    ]
    size = sum(len(content) for _, content in places) / 1_000_000
    story.say(
        f"{len(scene.planted)} secrets, as text, hexadecimal and base64, in two dumps of the "
        f"database, the log, the bot's words, this story and all {len(files)} files of the data "
        f"folder, {size:.0f} MB"
    )
    controls = {"label": LABEL, "request": scene.logged_request}
    seen = find(controls, places)
    story.check(
        {("label", name) for name in (*scene.dumps, "this story")} <= set(seen)
        and ("request", "its log") in seen,
        "it finds what is there: the key's label in dumps and story, a request's id in the log",
    )
    found = find(scene.planted, places)
    story.check(found == [], f"it finds no secret anywhere{found_text(found)}")


def okx_key(label: str, credentials: Json) -> Json:
    """Return the body of `addKey` as people type it: secret and passphrase in one field."""
    return {
        "label": label,
        "exchange": "okx",
        "environment": "testnet",
        "contract_type": "linear",
        "api_key": credentials["api_key"],
        "api_secret": f"{credentials['api_secret']}:{credentials['api_passphrase']}",
    }


def is_what_was_entered(credentials: ReleasedCredentials, entered: Json) -> bool:
    passphrase = credentials.api_passphrase
    return entered == {
        "api_key": credentials.api_key.reveal(),
        "api_secret": credentials.api_secret.reveal(),
        "api_passphrase": None if passphrase is None else passphrase.reveal(),
    }


async def gets_nothing(client: BotClient) -> bool:
    try:
        await client.credentials(fresh=True)
    except NoKey:
        return True
    return False


def found_text(found: list[tuple[str, str]]) -> str:
    return "".join(f"; {name} in {place}" for name, place in found)

"""Work that a first call of each route and a first turn of each task do not reach.

Rights that only this work needs would otherwise look unused. Each function is one test of
`tests/security/test_work_under_logins.py`.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from app.domains.runtime.stream.event_numbers import EventNumbers
from app.process.warming import warm
from app.settings import Role
from app.simulator import credentials
from app.worker.purging import PurgeLimits, purge_deleted
from tests.support.batches import KINDS, NOW, item, report, statuses
from tests.support.browsers import browser, signed_in_at
from tests.support.catalogue import OKX, instrument, list_instruments
from tests.support.imports import exported, freqtrade, send, store, trades
from tests.support.positions import SYMBOL, trader
from tests.support.split import Split
from tests.support.world import Json, World

NEW = replace(instrument("NEW-USDT-SWAP"), base="NEW")
"""An instrument that no other test lists: instruments are never forgotten."""


async def readiness(_world: World, split: Split) -> None:
    for process in (split.api, split.runtime):
        answer = await process.http.get("/readyz")
        assert answer.status_code == 200, answer.text
    await warm(split.databases[Role.RUNTIME])


async def a_look_for_lost_notifications(_world: World, split: Split) -> None:
    numbers = EventNumbers(split.databases[Role.RUNTIME].autocommit)
    assert len(await numbers.moved([uuid4()])) == 1


async def an_account_that_begins_at_runtime(_world: World, split: Split) -> None:
    answer = await split.user("erin", Role.RUNTIME).post(f"/v1/bots/{uuid4()}/token")
    assert answer.status_code == 404, answer.text


async def a_session_at_both_roles(_world: World, split: Split) -> None:
    api, runtime = split.api, split.runtime
    page = await signed_in_at(
        api.app,
        api.context,
        split.databases[Role.API],
        id_token=split.issuer.token("alice", ""),
    )
    bot = await page.post("/v1/bots", {"name": "of a session"})
    assert bot.status_code == 201, bot.text
    await split.write("UPDATE dashboard_sessions SET last_used_at = now() - interval '2 minutes'")
    at_runtime = browser(runtime.app, api.context.settings.page_url)
    at_runtime.take(page.cookie)
    token = await at_runtime.post(f"/v1/bots/{bot.json()['id']}/token")
    assert token.status_code == 201, token.text
    left = await page.post("/auth/logout")
    assert left.status_code == 200, left.text
    refused = await at_runtime.post(f"/v1/bots/{bot.json()['id']}/token")
    assert refused.json()["code"] == "session_expired", refused.text


async def what_a_bot_learns_of_its_key(world: World, split: Split) -> None:
    trading = await trader(world)
    at = datetime.now(UTC)
    rejected: Json = {
        "status": "rejected",
        "reason": "refused",
        "possible": ["ip_not_allowed", "expired"],
        "exchange_code": "50110",
        "expires_at": (at + timedelta(days=3)).isoformat(),
    }
    permissions = {"read": "no", "trade": "no", "withdraw": "yes", "ip_restricted": "yes"}
    await split.write(
        "UPDATE keys SET unverified = true, permission_read = 'unknown',"
        " permission_trade = 'unknown', permission_ip_restricted = 'unknown'"
    )
    accepted: Json = {"status": "ok", "permissions": permissions}
    for number, look in enumerate((rejected, accepted)):
        checked = {"version": 1, "checked_at": (at + timedelta(seconds=number)).isoformat()}
        body = {"credentials": {**checked, **look}}
        answer = await trading.bot.post("/v1/runtime/heartbeat", body)
        assert answer.status_code == 200, answer.text


async def heads_that_an_older_release_left(world: World, split: Split) -> None:
    """A release that does not seal wrote the newest entries."""
    trading = await trader(world)
    body = {"name": "another"}
    for path in ("/v1/bots", f"/v1/bots/{trading.bot.id}/token"):
        await split.write("UPDATE audit_heads SET seal = NULL, sealed_sequence = NULL")
        answer = await trading.user.post(path, body if path == "/v1/bots" else None)
        assert answer.is_success, answer.text


async def contracts_that_change(world: World, split: Split) -> None:
    """Each login that fetches catalogues stores the change; earlier trades are looked up."""
    trading = await trader(world)
    for number, database in enumerate(
        (split.api.context.database, split.runtime.context.database, split.databases["catalogue"])
    ):
        fetching = replace(world, context=replace(world.context, database=database))
        changed = replace(instrument(SYMBOL), contract_size=Decimal(number + 2))
        await list_instruments(fetching, OKX, changed)
    assert statuses(await report(trading.bot, "trades", item("trades", "one"))) == ["stored"]
    file = json.dumps([freqtrade()]).encode()
    answer = await send(trading.user, file, key_id=trading.key["id"], format="freqtrade")
    assert answer.status_code == 202, answer.text


async def repeats(world: World, _split: Split) -> None:
    """The same again, the rest of a trade, and what has been deleted since."""
    trading = await trader(world)
    unknown = item("trades", "unknown", symbol=NEW.symbol)
    for status in ("stored", "duplicate"):
        for kind in KINDS:
            assert statuses(await report(trading.bot, kind, item(kind, "one"))) == [status]
        assert statuses(await report(trading.bot, "trades", unknown)) == [status]
    await list_instruments(world, OKX, instrument(SYMBOL), NEW)
    assert statuses(await report(trading.bot, "trades", unknown)) == ["completed"]
    await trading.report("open")
    await trading.report("closed")
    for deletion in (
        {"scope": "environment", "environment": "testnet"},
        {"scope": "keys", "key_ids": [trading.key["id"]]},
    ):
        answer = await trading.user.post("/v1/data-deletions", deletion)
        assert answer.status_code == 202, answer.text
    for kind in KINDS:
        later = item(kind, "one", datetime.now(UTC))
        assert statuses(await report(trading.bot, kind, later)) == ["data_deleted"]
    await trading.report("opening")


async def what_a_check_reveals_of_leverage(world: World, _split: Split) -> None:
    user = world.user()
    given = credentials()["binance"]["testnet"]["trade"]
    key = await user.add_key(exchange="binance", **given)
    again = await user.put(
        f"/v1/keys/{key['id']}/credentials", {**given, "confirm_same_account": True}
    )
    assert again.status_code == 200, again.text


async def a_cancelled_import(world: World, _split: Split) -> None:
    user = world.user()
    key = await user.add_key()
    file = json.dumps([exported(str(number), key) for number in range(3)]).encode()
    place = (await send(user, file, key_id=key["id"])).headers["location"]
    assert (await user.post(f"{place}/cancel")).status_code == 200
    assert await store(world) == 1
    assert (await user.get(place)).json()["status"] == "cancelled"
    assert await trades(user) == []


async def deletions_in_turns(world: World, split: Split) -> None:
    for account in ("alice", "bob"):
        trading = await trader(world, account)
        await report(
            trading.bot,
            "signals",
            *(
                item("signals", str(n), NOW - timedelta(seconds=n)) for n in range(12)
            ),  # more batches than are deleted at once
        )
        answer = await trading.user.post("/v1/data-deletions", {"scope": "all"})
        assert answer.status_code == 202, answer.text
    limits = PurgeLimits(batch=2, turn=0)
    assert await purge_deleted(split.databases["purge"].sessions, limits) == 2


FURTHER: tuple[Callable[[World, Split], Awaitable[None]], ...] = (
    readiness,
    a_look_for_lost_notifications,
    an_account_that_begins_at_runtime,
    a_session_at_both_roles,
    what_a_bot_learns_of_its_key,
    heads_that_an_older_release_left,
    contracts_that_change,
    repeats,
    what_a_check_reveals_of_leverage,
    a_cancelled_import,
    deletions_in_turns,
)

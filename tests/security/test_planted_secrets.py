"""No secret that a caller sends, in whatever place, appears anywhere afterwards.

Unique credentials, a bot's token and a user's are put into every place that takes text, with every
outcome; then all responses, all logs, the whole database and the metrics are searched for them.
Only names may be repeated: labels, names of bots and accounts, X-Request-ID.
"""

import base64
import json
import logging
import random
import secrets
import string
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
import structlog
from sqlalchemy import make_url, text

from app.db.embedded.binaries import find_binaries
from app.db.engine import open_database
from app.domains.catalogue.refresher import CatalogueRefresher
from app.main import use_context
from app.settings import Role
from app.simulator.faults import FaultKind
from app.simulator.keys import KeyText, Permission, SimulatedKey
from botkeys.exchanges.errors import ExchangeError
from botkeys.exchanges.model import ContractType, Credentials, Environment
from botkeys.exchanges.registry import Exchanges, simulated_hosts
from botkeys.sealing.secret import Secret
from botkeys.transport.client import HttpTransport
from tests.support.database import WITH_TRIGGERS, Server, execute
from tests.support.dump import dump
from tests.support.leaks import Logs, all_logged, leaks, whole_text_of
from tests.support.routes import RouteUnderTest, routes_of, set_up
from tests.support.world import Json, World

ROUTES = routes_of(Role.ALL)
TRADING = frozenset({Permission.READ, Permission.TRADE})


def planted(exchange: str) -> dict[str, str]:
    """Return unique credentials in the exchange's format. The passphrase is a word."""
    if exchange == "binance":
        letters = string.ascii_letters + string.digits
        return {
            name: "".join(secrets.choice(letters) for _ in range(64))
            for name in ("api_key", "api_secret")
        }
    word = "".join(secrets.choice(string.ascii_lowercase) for _ in range(24))
    return {
        "api_key": str(uuid4()),
        "api_secret": secrets.token_hex(16).upper(),
        "api_passphrase": word,
    }


@dataclass(slots=True)
class Watch:
    """A service whose entire output is kept."""

    world: World
    server: Server
    logs: Logs
    answers: list[str] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)

    async def keep(self, answer: httpx.Response) -> None:
        await answer.aread()
        self.statuses.add(answer.status_code)
        self.answers.append(f"{answer.status_code} {answer.headers.raw!r} {answer.text}")

    @property
    def superuser_url(self) -> str:
        name = self.world.context.database.engine.url.database
        assert name is not None
        return self.server.url(name, superuser=True)

    @contextmanager
    def impatient(self) -> Iterator[None]:
        """Do not wait for exchanges with faults."""
        context, app = self.world.context, self.world.app
        hasty = context.settings.model_copy(update={"key_check_timeout": 0.5})
        use_context(app, replace(context, settings=hasty))
        yield
        use_context(app, context)

    async def places(self) -> dict[str, str]:
        database = open_database(
            self.superuser_url, application_name="botkeys-search", pool_size=None
        )
        tables = {
            f"table {table}": "\n".join(rows) for table, rows in (await dump(database)).items()
        }
        await database.close()
        metrics = (await self.world.http.get("/metrics")).text
        answers = {f"answer {number}": content for number, content in enumerate(self.answers)}
        return {**answers, **tables, "metrics": metrics, **self.logs.places()}

    def new_key(self, exchange: str, credentials: Json, **changes: Any) -> Json:
        return {
            "label": f"{exchange} key",
            "exchange": exchange,
            "environment": "testnet",
            "contract_type": "linear",
            **credentials,
            **changes,
        }

    @asynccontextmanager
    async def known_to_exchange(
        self, exchange: str, credentials: Json, **traits: Any
    ) -> AsyncIterator[None]:
        """Let the simulated exchange accept these credentials for as long as the context lasts."""
        keys = self.world.simulator.keys
        whole = {"account": "7", "permissions": TRADING, **traits}
        keys.add(SimulatedKey(exchange, "testnet", KeyText(**credentials), **whole))
        yield
        keys.remove(exchange, "testnet", credentials["api_key"])


@pytest_asyncio.fixture
async def watch(busy_world: World, server: Server) -> AsyncIterator[Watch]:
    settings = busy_world.context.settings.model_copy(update={"releases_per_hour": 1})
    context = busy_world.context
    # Without what is fetched for everyone: thousands of rows from the exchange, none of a caller.
    catalogues = CatalogueRefresher(
        context.database, context.exchanges, context.catalogues.intervals, background=False
    )
    busy_world.context = replace(context, settings=settings, catalogues=catalogues)
    use_context(busy_world.app, busy_world.context)
    with all_logged() as logs:
        watching = Watch(busy_world, server, logs)
        busy_world.http.event_hooks = {"response": [watching.keep]}
        yield watching


@pytest.mark.parametrize("exchange", ["okx", "binance"])
async def test_credentials_stand_nowhere_whatever_becomes_of_them(
    watch: Watch, exchange: str
) -> None:
    user = watch.world.user()
    everything: list[str] = []

    async def add(credentials: Json, **changes: Any) -> str:
        everything.extend(credentials.values())
        answer = await user.post("/v1/keys", watch.new_key(exchange, credentials, **changes))
        document = answer.json()
        return str(document.get("code") or document["verification"]["status"])

    taken = planted(exchange)
    async with watch.known_to_exchange(exchange, taken):
        assert await add(taken) == "verified"
        assert await add(taken) == "key_already_added"
        wrong = {**taken, "api_key": planted(exchange)["api_key"]}
        assert await add(wrong) == "credentials_rejected"
    bound = planted(exchange)
    async with watch.known_to_exchange(exchange, bound, addresses=("203.0.113.9",)):
        assert await add(bound) == "credentials_rejected"
    unsigned = planted(exchange)
    async with watch.known_to_exchange(exchange, unsigned):
        lied = {**unsigned, "api_secret": planted(exchange)["api_secret"]}
        assert await add(lied) == "credentials_rejected"
    if exchange == "okx":
        withdrawing = planted(exchange)
        async with watch.known_to_exchange(exchange, withdrawing, permissions=set(Permission)):
            assert await add(withdrawing) == "withdrawal_permission"
        half = planted(exchange)
        both = {**half, "api_secret": f"{half['api_secret']}:{half['api_passphrase']}"}
        everything.extend(half.values())
        assert await add(both) == "passphrase_twice"
        del both["api_passphrase"]
        assert await add(both, verify=False) == "skipped"
        del half["api_passphrase"]
        assert await add({**half, "api_key": str(uuid4())}) == "passphrase_required"
    with watch.impatient():
        for kind in FaultKind:
            watch.world.simulator.faults.set(exchange, "testnet", kind, seconds=0.6)
            answered = {"unreachable", "unknown", "credentials_rejected"}
            assert await add(planted(exchange)) in answered, kind
            watch.world.simulator.faults.clear()
    for surrounded in (" {}", "{}\n", '"{}"'):
        odd = planted(exchange)
        everything.extend(odd.values())
        pasted = {name: surrounded.format(value) for name, value in odd.items()}
        assert await add(pasted) in {"unreachable", "credentials_rejected"}
    for broken in ("{} x", "{}\x00", "\ud800{}", "é{}"):
        odd = planted(exchange)
        everything.extend(odd.values())
        malformed = {name: broken.format(value) for name, value in odd.items()}
        assert await add(malformed) in {"malformed_credentials", "invalid_request"}

    assert {201, 409, 422} <= watch.statuses
    assert "request" in watch.logs.printed
    assert {"sqlalchemy", "botkeys"} <= watch.logs.records.names
    assert not {"httpx", "httpcore"} & watch.logs.records.names
    assert leaks(await watch.places(), everything) == []


def wrong_bodies(secret: str) -> list[bytes]:
    """Return bodies with a secret in the wrong place, whole and broken."""
    value = json.dumps(secret)
    objects = [
        {secret: "member"},
        {"unknown": secret},
        {"exchange": secret, "environment": secret, "contract_type": secret, "region": secret},
        {"key_id": secret, "suite": secret, "public_key": secret, "active": secret},
        {"label": {"nested": secret}, "name": [secret], "paused": secret},
        {"label": secret + "\x00", "name": secret + "\x00"},
        {"api_key": [secret], "api_secret": {secret: secret}, "verify": secret},
    ]
    return [
        *(json.dumps(item).encode() for item in objects),
        f"{value}".encode(),
        f"[{value}]".encode(),
        f'{{"api_secret": {value}'.encode(),
        f'{{"api_secret": {value}, }}'.encode(),
        f'{{"api_secret": {secret}}}'.encode(),
        f'{{"api_secret": "{secret}'.encode() + b"\xff\xfe",
        secret.encode("utf-16"),
        f'{{"a": {value}, "a": {value}}}'.encode(),
    ]


def wrong_headers(secret: str) -> list[dict[str, str]]:
    return [
        {"Idempotency-Key": secret},
        {"Idempotency-Key": secret + " "},
        {"If-Match": secret, "If-None-Match": f'"{secret}"'},
        {"Content-Type": secret},
        {"Cookie": f"session={secret}", "User-Agent": secret, "Referer": f"http://x/{secret}"},
        {"X-Account-Id": secret},
        {"Authorization": f"Bearer {secret}"},
        {"Authorization": f"Basic {secret}"},
        {"Authorization": secret},
        {"Accept": secret, "Accept-Language": secret, "X-Api-Key": secret, "Origin": secret},
        {"X-Request-ID": secret + "\t!"},
        {"Host": f"{secret}.example", "X-Forwarded-For": secret, "Traceparent": secret},
    ]


def _kind(route: RouteUnderTest) -> tuple[bool, ...]:
    headers = {parameter["name"] for parameter in route.operation.get("parameters", [])}
    writes = route.access.action is not None
    return route.access.for_bots, writes, route.takes_body, "If-Match" in headers


# Headers are read by code that all routes share: one route of each kind is enough.
BY_KIND = list({_kind(route): route for route in ROUTES}.values())


def _parameters(route: RouteUnderTest) -> list[str]:
    """Return the parameters that name existing objects; a bot's own id for a position is stored."""
    return [] if route.operation_id == "reportPosition" else route.parameters


async def _misplace(world: World, route: RouteUnderTest, secret: str) -> None:
    stage = await set_up(world, route)
    token = {"Authorization": f"Bearer {stage.caller.token}"}
    typed = {**token, "Content-Type": "application/json"}
    address = stage.path

    async def send(target: str, **options: Any) -> None:
        await world.http.request(route.method, target, **options)

    right = json.dumps(stage.body).encode() if route.takes_body else None
    if route.takes_body:
        for body in wrong_bodies(secret):
            await send(address, content=body, headers=typed)
    if route in BY_KIND:
        for headers in wrong_headers(secret):
            await send(address, content=right, headers={**typed, **headers})
    found = route.operation.get("parameters", [])
    queries = [parameter["name"] for parameter in found if parameter["in"] == "query"]
    for name in (*queries, "unknown", secret):
        await send(address, content=right, headers=typed, params={name: secret})
    for name in _parameters(route):
        await send(stage.elsewhere(**{name: secret}), content=right, headers=typed)
    await send(f"{address}/{secret}", headers=token)
    await world.http.request("OPTIONS", f"{address}?{secret}", headers=token)


@pytest.mark.parametrize(
    "every",
    [pytest.param(1, marks=pytest.mark.torture, id="all routes"), pytest.param(4, id="some")],
)
async def test_a_secret_in_the_wrong_place_stands_nowhere(watch: Watch, every: int) -> None:
    """Try a word, as passphrases are, which looks like a name; in addresses also an id-like key.

    Every fourth route is another quarter in each run.
    """
    word, key = planted("okx")["api_passphrase"], planted("okx")["api_key"]
    tried = ROUTES[random.randrange(every) :: every]  # noqa: S311  # a choice of tests
    # An account that is being closed rejects everything else.
    for route in sorted(tried, key=lambda route: route.operation_id == "closeAccount"):
        await _misplace(watch.world, route, word)
        stage = await set_up(watch.world, route, "bob")
        for name in _parameters(route):
            await stage.caller.call(route.method, stage.elsewhere(**{name: key}), stage.body)
        await stage.caller.call(route.method, stage.path, {"key_id": key})

    expected = {200, 401, 404, 405, 415, 422} | ({201, 403, 409, 412} if every == 1 else set())
    assert expected <= watch.statuses
    assert not {status for status in watch.statuses if status >= 500}
    assert leaks(await watch.places(), [word, key]) == []


async def test_tokens_stand_nowhere_but_in_the_answer_that_gives_one(watch: Watch) -> None:
    user = watch.world.user()
    release = next(route for route in ROUTES if route.operation_id == "releaseCredentials")
    stage = await set_up(watch.world, release)
    bot = stage.caller
    tokens = [user.token, bot.token]
    watch.answers[:] = [content for content in watch.answers if bot.token not in content]

    assert (await stage.call()).status_code == 200
    assert (await stage.call()).status_code == 429
    etag = (await bot.get("/v1/runtime/config")).headers["etag"]
    unchanged = await bot.get("/v1/runtime/config", headers={"If-None-Match": etag})
    assert unchanged.status_code == 304
    for token in tokens:
        for path in ("/v1/keys", "/v1/runtime/config", f"/v1/{token}", f"/v1/keys?search={token}"):
            for header in (f"Bearer {token}", f"Bearer {token}x", f"Token {token}", token):
                await watch.world.http.get(path, headers={"Authorization": header})
        await user.post("/v1/bots", {"name": {token: token}, token: token})
        await user.post("/v1/bots", {"name": "by key"}, headers={"Idempotency-Key": token[:250]})
    await user.mint((await user.get("/v1/bots")).json()["items"][-1]["id"])
    watch.answers.pop()  # the new token's own

    assert {200, 304, 401, 403, 429} <= watch.statuses
    assert leaks(await watch.places(), tokens) == []


BROKEN = {
    "a constraint that quotes the row": "ALTER TABLE {table} ADD CONSTRAINT broken CHECK (false) "
    "NOT VALID",
    "a trigger that quotes the row": "CREATE TRIGGER broken BEFORE INSERT OR UPDATE ON {table} "
    "FOR EACH ROW EXECUTE FUNCTION quote_row()",
    "a right that is missing": "REVOKE ALL ON {table} FROM botkeys_api, botkeys_runtime",
    "a table that is gone": "ALTER TABLE {table} RENAME TO {table}_gone",
}
QUOTE_ROW = """CREATE FUNCTION quote_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'row %', NEW USING DETAIL = NEW::text, HINT = NEW::text; END $$"""


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("table", ["keys", "key_credentials", "audit_events"])
async def test_a_database_that_fails_tells_nothing(watch: Watch, how: str, table: str) -> None:
    credentials = planted("okx")
    user = watch.world.user()
    await execute(watch.superuser_url, WITH_TRIGGERS, QUOTE_ROW, BROKEN[how].format(table=table))

    async with watch.known_to_exchange("okx", credentials):
        answer = await user.post(
            "/v1/keys",
            watch.new_key("okx", credentials),
            headers={"Idempotency-Key": credentials["api_key"]},
        )

    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert "request_failed" in watch.logs.printed
    assert "quote_row" not in answer.text
    found = await watch.places()
    assert leaks(found, credentials.values()) == []
    # The database's messages are not repeated either, except in SQLAlchemy's own debug records.
    assert "Failing row" not in watch.logs.printed
    assert "row (" not in watch.logs.printed


async def test_a_database_that_went_away_is_a_503_that_reveals_nothing(watch: Watch) -> None:
    credentials = planted("okx")
    user, bot_id = watch.world.user(), (await watch.world.user().add_bot())["id"]
    bot = await user.mint(bot_id)
    watch.answers.pop()
    name = make_url(watch.superuser_url).database
    await execute(
        watch.server.superuser,
        f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",  # noqa: S608  # a name of our own
    )
    async with watch.known_to_exchange("okx", credentials):
        for headers in ({}, {"Idempotency-Key": credentials["api_secret"]}):
            for _ in range(2):
                answer = await user.post(
                    "/v1/keys", watch.new_key("okx", credentials), headers=headers
                )
                assert answer.status_code == 503, answer.text
                assert answer.json()["code"] == "unavailable"
                assert int(answer.headers["retry-after"]) > 0
    assert (await bot.get("/v1/runtime/config")).status_code == 503
    assert (await watch.world.http.get("/readyz")).status_code == 503
    await execute(watch.server.superuser, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

    planted_here = [*credentials.values(), user.token, bot.token]
    assert leaks(await watch.places(), planted_here) == []


@pytest.mark.parametrize("exchange", ["okx", "binance"])
async def test_no_error_of_an_exchange_holds_the_credentials(watch: Watch, exchange: str) -> None:
    """Check its text, its arguments, and all errors behind it, also those hidden by `from None`."""
    texts: dict[str, str] = {}
    everything: list[str] = []
    hosts = simulated_hosts(watch.world.simulator.hosts)
    for kind in (None, *FaultKind):
        credentials = planted(exchange)
        everything.extend(credentials.values())
        if kind is not None:
            watch.world.simulator.faults.set(exchange, "testnet", kind, seconds=0.4)
        boxed = Credentials(**{name: Secret(value) for name, value in credentials.items()})
        async with HttpTransport() as transport:
            adapter = Exchanges(transport, hosts=hosts, check_seconds=0.3).adapter(exchange)
            with pytest.raises(ExchangeError) as raised:
                await adapter.check_credentials(
                    boxed, Environment.TESTNET, None, ContractType.LINEAR
                )
        watch.world.simulator.faults.clear()
        texts[f"error after {kind}"] = whole_text_of(raised.value)
    assert leaks(texts, everything) == []


async def test_a_dump_of_the_database_holds_no_secret(watch: Watch, tmp_path: Path) -> None:
    credentials = planted("okx")
    async with watch.known_to_exchange("okx", credentials):
        added = await watch.world.user().post("/v1/keys", watch.new_key("okx", credentials))
    assert added.status_code == 201
    url = make_url(watch.superuser_url)
    program = find_binaries(for_another_user=False).folder / "pg_dump"
    target = tmp_path / "dump.sql"
    done = subprocess.run(  # noqa: S603, ASYNC221  # PostgreSQL's own program, for a moment
        [
            program,
            "--file",
            target,
            "--dbname",
            url.set(drivername="postgresql").render_as_string(hide_password=False),
        ],
        check=False,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    content = target.read_text("utf-8")
    assert added.json()["masked_key"] in content
    assert leaks({"dump": content}, credentials.values()) == []


async def test_the_search_finds_what_does_stand_there(watch: Watch) -> None:
    """Put a canary in each kind of place, so that an empty result above means something."""
    canary = secrets.token_urlsafe(24)
    user = watch.world.user()
    await user.post("/v1/bots", {"name": canary})
    logging.getLogger("asyncpg.anything").debug("sent %s", canary)
    structlog.get_logger("botkeys.http").info("request", api_secret=canary)
    watch.world.context.metrics.refusals.labels(canary).inc()
    async with watch.world.context.database.sessions.begin() as session:
        await session.execute(
            text("UPDATE audit_heads SET mac = :canary"), {"canary": canary.encode()}
        )
    try:
        try:
            raise ValueError(canary)  # noqa: TRY301
        except ValueError:
            raise RuntimeError("hidden") from None
    except RuntimeError as error:
        hidden = whole_text_of(error)

    found = leaks({**await watch.places(), "hidden cause": hidden}, [canary])

    assert "hidden cause" in found
    assert {"table bots", "table audit_heads", "table audit_events", "metrics"} <= set(found)
    assert "log records" in found
    assert "printed log" in found
    assert any(name.startswith("answer") for name in found)
    assert "table keys" not in found


@pytest.mark.parametrize(
    "hiding",
    [
        "before {} after",
        "BEFORE{}",
        "{hex}",
        "{base64}",
        "{shifted}",
        "{urlsafe}",
        "{part}",
    ],
)
def test_the_search_sees_through_encodings(hiding: str) -> None:
    secret = secrets.token_urlsafe(30)
    content = hiding.format(
        secret,
        hex=secret.encode().hex().upper(),
        base64=base64.b64encode(secret.encode()).decode(),
        shifted=base64.b64encode(b"xy" + secret.encode() + b"z").decode(),
        urlsafe=base64.urlsafe_b64encode(b"x" + secret.encode()).decode(),
        part=secret[7:19],
    )
    assert leaks({"here": content, "elsewhere": secrets.token_urlsafe(40)}, [secret]) == ["here"]
    assert leaks({"mask": f"{secret[:4]}…{secret[-4:]}"}, [secret]) == []

"""The service as production runs it: separate api and runtime, each with its own keys and login."""

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from asyncpg.connection import LoggedQuery
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import event, text

from app.api.streaming import StreamLimits
from app.auth.development_issuer import DevelopmentIssuer
from app.auth.id_token import IdTokenVerifier
from app.auth.scopes import USER_SCOPES
from app.auth.verifier import TokenVerifier
from app.context import Context
from app.custody.files import create_folder
from app.custody.keyfiles import KeyFolder, KeyKind
from app.custody.master_keys.registry import announce, leave, register
from app.db.base import Base
from app.db.engine import Database, open_database
from app.db.lending import Driver
from app.domains.catalogue.refresher import CatalogueRefresher
from app.domains.runtime.stream.publisher import ConfigPublisher
from app.process.startup import open_context
from app.settings import Mode, Role, Settings
from app.simulator import Simulator
from botkeys.client import BotClient
from botkeys.exchanges.registry import simulated_hosts
from botkeys.transport.client import ASGITransport, HttpTransport, Rate, TransportLimits
from tests.support.database import SET_ON_NODES, Server, database_copy, execute
from tests.support.limits import ABUNDANT
from tests.support.logins import documented_logins
from tests.support.sent_statements import Placed, Sent, held, note
from tests.support.world import Bot, Json, Person, application, served

HELD = {
    Role.API: ("master-0001.public", "fingerprint-hmac", "audit-hmac", "webhook-key"),
    Role.RUNTIME: ("master-0001.private", "token-hmac", "audit-hmac"),
}
_EMPTYING = """
WITH RECURSIVE emptied (id) AS (
    SELECT unnest(ARRAY[
        'accounts', 'audit_heads', 'catalogues', 'instruments', 'instrument_prices'
    ]::regclass[])::oid
    UNION
    SELECT conrelid FROM pg_constraint JOIN emptied ON confrelid = id WHERE contype = 'f'
)
SELECT 'DO $$BEGIN ' || string_agg(format('DELETE FROM %s;', id::regclass), ' ') || ' END$$'
FROM emptied
"""
KINDS = [kind for kind in KeyKind if kind is not KeyKind.DEVELOPMENT_ISSUER]


def all_keys(folder: Path) -> KeyFolder:
    """Create a folder with every kind of key, as the operator's own machine would have it."""
    keys = KeyFolder(folder)
    keys.create_missing(KINDS)
    return keys


def hand_out(keys: KeyFolder, folder: Path, names: tuple[str, ...]) -> Path:
    """Create a folder with copies of these files."""
    create_folder(folder)
    for name in names:
        shutil.copy(keys.path / name, folder / name)
        (folder / name).chmod(0o600)
    return folder


def production(folder: Path, url: str) -> Settings:
    return Settings(
        mode=Mode.PRODUCTION,
        keys_dir=folder,
        database_url=SecretStr(url),
        database_tls="any",
        oidc_issuer="https://issuer.test",
        dashboard=True,
        public_url="https://botkeys.test",
        dashboard_client_id="dashboard",
        dashboard_client_secret=SecretStr("a secret of tests"),
        **ABUNDANT,
    )


def login(
    url: str, name: str, sent: set[str], placed: Placed, *, same_plans: bool = False
) -> Database:
    """Return a pool whose every connection has exactly the rights of this login.

    The text of every statement that it sends is added to `sent`, and to `placed` with its place.
    """
    database = open_database(url, application_name=f"as {name}", pool_size=5, same_plans=same_plans)

    @event.listens_for(database.engine.sync_engine, "connect")
    def become(connection: object, _record: object) -> None:
        connection.run_async(  # type: ignore[attr-defined]  # SQLAlchemy's adapter of asyncpg
            lambda driver: driver.execute(f"SET SESSION AUTHORIZATION {name}")
        )
        # What goes past SQLAlchemy.
        driver: Driver = connection.driver_connection  # type: ignore[attr-defined]  # the same
        driver.add_query_logger(past)

    def past(query: LoggedQuery) -> None:
        sent.add(query.query)
        place = held().get(query.query, "sent through the driver")
        placed.setdefault(Sent(place, query.query), query.args)

    # Not before it: a listener there sends hot statements another way (`app.db.driver`).
    @event.listens_for(database.engine.sync_engine, "after_cursor_execute")
    def through(
        _connection: object, _cursor: object, statement: str, values: Any, *_: object
    ) -> None:
        sent.add(statement)
        note(placed, statement, values)

    return database


@dataclass(slots=True)
class Process:
    """One process of the service, run inside the test's process."""

    context: Context
    app: FastAPI
    http: httpx.AsyncClient


@dataclass(slots=True)
class Split:
    """Two processes over one database, the databases of its other logins, and the superuser's.

    `placed` has what all logins have sent, with its arguments.

    `databases` has one for each login of docs/deployment.md, with exactly its rights. `sent` has
    the texts of the statements of each: of its start, and since `forget_sent`.
    """

    api: Process
    runtime: Process
    databases: dict[str, Database]
    issuer: DevelopmentIssuer
    superuser: Database
    keys: KeyFolder
    sent: dict[str, set[str]]
    placed: Placed
    sent_at_start: dict[str, frozenset[str]]

    async def empty(self) -> None:
        """Delete every account and what belongs to it, and all that was fetched.

        TRUNCATE makes the files of forty tables again, which takes ten times as long.
        """
        async with self.superuser.sessions() as session:
            statement: str = await session.scalar(text(_EMPTYING))
        await self.write(statement)

    def forget_sent(self) -> None:
        for short, texts in self.sent.items():
            texts.clear()
            texts.update(self.sent_at_start[short])
        self.placed.clear()

    def user(self, account: str, role: Role = Role.API) -> Person:
        process = self.api if role is Role.API else self.runtime
        return Person(process.http, self.issuer.token(account, USER_SCOPES))

    async def add_key(self, account: str, number: int, **changes: object) -> Json:
        body = {
            "label": f"{account} {number}",
            "exchange": "binance",
            "environment": "testnet",
            "contract_type": "linear",
            "api_key": f"{account}{number}".rjust(64, "k"),
            "api_secret": f"{account}{number}".rjust(64, "s"),
            "verify": False,
            **changes,
        }
        answer = await self.user(account).post("/v1/keys", body)
        assert answer.status_code == 201, answer.text
        document: Json = answer.json()
        return document

    async def add_bot(self, account: str, key_id: str | None = None) -> Bot:
        """Add a bot with a token, and with the key if one is named."""
        made = await self.user(account).post("/v1/bots", {"name": "a bot"})
        bot_id = made.json()["id"]
        minted = await self.user(account, Role.RUNTIME).post(f"/v1/bots/{bot_id}/token")
        assert minted.status_code == 201, minted.text
        if key_id is not None:
            path = f"/v1/bots/{bot_id}/key"
            assigned = await self.user(account).put(path, {"key_id": key_id})
            assert assigned.status_code == 200, assigned.text
        return Bot(self.runtime.http, minted.json()["token"])

    @asynccontextmanager
    async def client(self, bot: Bot) -> AsyncIterator[BotClient]:
        limits = TransportLimits(attempts=1, rate_per_host=Rate(10_000, 1.0))
        async with (
            HttpTransport(limits, transport=ASGITransport(self.runtime.app)) as transport,
            BotClient("https://botkeys.test", bot.token, transport=transport) as client,
        ):
            yield client

    async def define(self, *statements: str) -> None:
        """Change the schema as the superuser, with the triggers by which Citus follows."""
        async with self.superuser.sessions.begin() as session:
            for statement in statements:
                await session.execute(text(statement))

    async def read(self, statement: str, **values: object) -> dict[str, Any]:
        """Return the one row that a statement of the superuser finds."""
        async with self.superuser.sessions() as session:
            return dict((await session.execute(text(statement), values)).one()._mapping)

    async def move(self, table: str, account: UUID, where: str, **values: object) -> None:
        """Give rows to another account, each stored again: Citus keeps it on another node then."""
        columns = Base.metadata.tables[table].columns
        names = ", ".join(c.name for c in columns if c.name != "account_id" and c.computed is None)
        await self.write(
            f"INSERT INTO {table} (account_id, {names}) "  # noqa: S608  # names of our own
            f"SELECT CAST(:account AS uuid), {names} FROM {table} WHERE {where}",
            f"DELETE FROM {table} WHERE {where} AND account_id <> :account",  # noqa: S608
            account=account,
            **values,
        )

    async def write(self, *statements: str, **values: object) -> None:
        """Write as the superuser, with triggers and foreign keys disabled."""
        async with self.superuser.sessions.begin() as session:
            await session.execute(SET_ON_NODES)
            await session.execute(text("SET LOCAL session_replication_role = replica"))
            for statement in statements:
                await session.execute(text(statement), values)


@asynccontextmanager
async def split_service(server: Server, simulator: Simulator, folder: Path) -> AsyncIterator[Split]:
    """Yield the split service. The server's superuser must be able to become any role."""
    keys = all_keys(folder / "operator")
    issuer = DevelopmentIssuer(folder / "issuer")
    verifier = TokenVerifier(issuer.issuer, issuer.audience, issuer.algorithms, issuer.keys)
    async with AsyncExitStack() as stack:
        name = await stack.enter_async_context(database_copy(server))
        url = server.url(name, superuser=True)
        superuser = open_database(url, application_name="superuser", pool_size=2)
        stack.push_async_callback(superuser.close)
        databases = {}
        sent: dict[str, set[str]] = {}
        placed: Placed = {}
        for short, roles in documented_logins().items():
            who = f"{short}_{uuid4().hex}"
            await execute(
                server.superuser, f"CREATE ROLE {who} LOGIN INHERIT IN ROLE {', '.join(roles)}"
            )
            stack.push_async_callback(execute, server.superuser, f"DROP ROLE {who}")
            sent[short] = set()
            databases[short] = login(
                url, who, sent[short], placed, same_plans=short == Role.RUNTIME
            )
            stack.push_async_callback(databases[short].close)
        processes = {}
        for role, held in HELD.items():
            database = databases[role]
            opened = await stack.enter_async_context(
                open_context(
                    production(hand_out(keys, folder / role, held), url),
                    role,
                    database=database,
                    hosts=simulated_hosts(simulator.hosts),
                )
            )
            # Without a network, a response arrives only when it is complete: so streams end at
            # once.
            publisher = ConfigPublisher(
                database.autocommit, opened.config_cache, StreamLimits(lifetime=0.02), None
            )
            stack.push_async_callback(publisher.close)
            # Now, not within the first test that opens a stream: it goes on as long as the process.
            publisher._start()
            # No fetch that nobody waits for, so that no test meets another's.
            catalogues = CatalogueRefresher(
                database, opened.exchanges, opened.catalogues.intervals, background=False
            )
            context = replace(
                opened,
                verifier=verifier,
                # The development issuer's tokens stand for ID tokens, too.
                id_tokens=IdTokenVerifier(verifier, issuer.audience, "sub"),
                config_publisher=publisher,
                catalogues=catalogues,
            )
            app = application(context)
            http = await stack.enter_async_context(served(app))
            processes[role] = Process(context, app, http)
        # As at the start of the process, which gives it less time than a busy machine may need.
        runtime = processes[Role.RUNTIME].context.runtime
        assert runtime is not None
        keys_held, holder = dict(runtime.releasing.fingerprints), uuid4()
        async with databases[Role.RUNTIME].sessions.begin() as session:
            assert await register(session, keys_held) == []
            await announce(session, holder, keys_held.keys())
            await leave(session, holder)
        yield Split(
            processes[Role.API],
            processes[Role.RUNTIME],
            databases,
            issuer,
            superuser,
            keys,
            sent,
            placed,
            {short: frozenset(texts) for short, texts in sent.items()},
        )

"""Everything that the service does, with exactly the database rights of docs/deployment.md.

Each route, each kind of operation and each task of the workers is run here once at least by the
login that production runs it with. A route or a task that is added fails these tests until they can
run it. In return the roles have no right that none of this work needs.
"""

import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, get_args

import pytest
import pytest_asyncio
from sqlalchemy import text
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from app.custody.keyfiles import KeyKind
from app.custody.webhook_keys import WebhookKeys
from app.db.engine import Database, open_database
from app.db.granted import GRANTS
from app.db.models.deletion import DELETIONS as OPERATIONS
from app.db.rights import LoginRights
from app.domains.catalogue.refresher import CatalogueRefresher, Intervals
from app.domains.deletion.schemas import DeletionScope
from app.domains.webhooks.sender import Message, Outcome, Sender, SendError
from app.kit.outbound_guard import Allowed
from app.settings import Role
from app.simulator import Simulator, credentials
from app.worker.delivering import Deliverer, DeliveryMetrics
from app.worker.loop import Task, catalogue_tasks, purge_tasks, webhook_tasks
from app.worker.operations import WorkerVitals, operations_app
from botkeys.transport.certificates import public_context
from tests.support.batches import KINDS as KINDS_OF_REPORTS
from tests.support.batches import item, report
from tests.support.database import Server, undistributed_copy
from tests.support.further_calls import FURTHER
from tests.support.imports import exported, send, trades
from tests.support.logins import documented_logins
from tests.support.positions import trader
from tests.support.purging import left
from tests.support.rights import Right, rights_of, unused, unused_here
from tests.support.routes import RouteUnderTest, one_time_key, routes_of, set_up
from tests.support.sent_statements import every_sender
from tests.support.split import Split
from tests.support.statement_lists import COMMANDS, NOT_SENT_HERE
from tests.support.statement_watch import StatementWatch
from tests.support.world import Bot, User, World, served

ROUTES = routes_of(Role.ALL)
AT_ONCE = Intervals(prices=timedelta(0), instruments=timedelta(0))


KEPT = {
    "what a catalogue's keys may trade with, in the release before": (
        "GRANT INSERT, SELECT, UPDATE ON TABLE learned_leverages TO botkeys_api",
        "GRANT SELECT ON TABLE learned_leverages TO botkeys_runtime",
    ),
    "`botkeys master-key rotate`, with the login of runtime": (
        "GRANT UPDATE (master_key_version) ON TABLE key_credentials TO botkeys_runtime",
        "GRANT UPDATE (sealed_data_key) ON TABLE key_credentials TO botkeys_runtime",
    ),
    "`botkeys audit verify`, with a login whose key folder has audit-hmac": (
        "GRANT SELECT ON TABLE audit_starts TO botkeys_api",
        "GRANT SELECT ON TABLE audit_starts TO botkeys_runtime",
    ),
}
"""The rights that no work here uses, by what they are for."""


@asynccontextmanager
async def undistributed(server: Server) -> AsyncIterator[Database]:
    """Provide the schema on one server, where PostgreSQL looks at all of a statement's rights: a
    coordinator leaves those that it needs on a node to the node.
    """
    async with undistributed_copy(server) as name:
        url = server.url(name, superuser=True)
        database = open_database(url, application_name="botkeys-tests", pool_size=1)
        try:
            yield database
        finally:
            await database.close()


@pytest_asyncio.fixture
async def recorded(
    split: Split,
    server: Server,
    statement_watch: StatementWatch,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> AsyncIterator[None]:
    """Record what each login sends. After the last of these tests, look for unused rights, and for
    functions of the service that have sent nothing.

    The tests run in several processes and in any order: each leaves its statements in a folder that
    all of them share. A run of only some of them says nothing about rights.
    """
    split.forget_sent()
    yield
    statement_watch.add(split.placed)
    content = {
        "texts": {login: [*texts] for login, texts in split.sent.items()},
        "places": sorted({sent.place for sent in split.placed}),
    }
    folder = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        folder = folder.parent
    folder /= "sent"
    folder.mkdir(exist_ok=True)
    name = sha256(request.node.nodeid.encode()).hexdigest()
    written = folder / f"{name}.part"
    written.write_text(json.dumps(content))
    written.rename(folder / name)
    files = [file for file in folder.iterdir() if not file.suffix]
    if len(files) == len(ROUTES) + 1 + len(FURTHER) + len(DELETIONS):
        sent: dict[str, set[str]] = {}
        places: set[str] = set()
        for file in files:
            of_test = json.loads(file.read_text())
            for login, texts in of_test["texts"].items():
                (role,) = documented_logins()[login]
                sent.setdefault(role, set()).update(texts)
            places.update(of_test["places"])
        unsent = every_sender() - places - NOT_SENT_HERE
        assert [place for place in sorted(unsent) if not place.startswith(COMMANDS)] == []
        kept = set(rights_of(itertools.chain(*KEPT.values()), sent))
        async with undistributed(server) as database:
            found = await unused(database, rights_of(GRANTS, sent), sent)
        assert found == kept, (sorted(found - kept), sorted(kept - found))


@pytest_asyncio.fixture
async def production(split: Split, simulator: Simulator, recorded: None) -> AsyncIterator[World]:
    """Provide the split service as one world: a proxy in front hands each request to its role.

    The world's own database, in which tests prepare things, is the superuser's.
    """

    async def proxy(scope: Scope, receive: Receive, send: Send) -> None:
        matches = (route.matches(scope)[0] for route in split.runtime.app.router.routes)
        mine = Match.FULL in matches
        await (split.runtime if mine else split.api).app(scope, receive, send)

    async with served(proxy) as http:
        yield World(
            split.api.app,
            replace(split.api.context, database=split.superuser),
            simulator,
            split.issuer,
            credentials(),
            http,
            purger=split.databases["purge"],
        )


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation_id)
async def test_each_route_succeeds_under_its_role_s_login(
    production: World, route: RouteUnderTest
) -> None:
    stage = await set_up(production, route)
    answer = await stage.call()
    assert answer.is_success, answer.text
    if route.access.replayable:
        stage = await set_up(production, route, "bob")
        answers = [await stage.call(**{"Idempotency-Key": "twice-the-same"}) for _ in range(2)]
        assert all(one.is_success for one in answers), [one.text for one in answers]
        assert answers[1].headers.get("Idempotency-Replayed") == "true"


@pytest.mark.parametrize("work", FURTHER, ids=lambda work: work.__name__)
async def test_what_a_first_call_does_not_reach_succeeds_under_its_login(
    production: World, split: Split, work: Callable[[World, Split], Awaitable[None]]
) -> None:
    await work(production, split)


async def test_a_right_that_no_statement_needs_is_found(server: Server) -> None:
    role = "botkeys_api"
    grants = (
        f"GRANT DELETE, SELECT ON TABLE trades TO {role}",
        f"GRANT UPDATE (closed_at, status) ON TABLE positions TO {role}",
        f"GRANT EXECUTE ON FUNCTION make_audit_months() TO {role}",
        f"GRANT EXECUTE ON FUNCTION sweep_imports(bigint) TO {role}",
        f"GRANT SELECT (token_hash) ON TABLE bot_tokens TO {role}",
    )
    sent = {
        role: {
            "SELECT count(*) FROM trades WHERE account_id = $1",
            "UPDATE positions SET status = $2 WHERE account_id = $1",
            "SELECT sweep_imports($1)",
            "SELECT id FROM bots FOR SHARE",
        }
    }
    async with (
        undistributed(server) as database,
        database.engine.connect() as connection,
        connection.begin() as undone,
    ):
        for grant in grants:
            await connection.execute(text(grant))
        found = await unused_here(connection, rights_of(grants, sent), sent)
        await undone.rollback()
    assert found == {
        Right(role, "DELETE", "TABLE trades"),
        Right(role, "UPDATE (closed_at)", "TABLE positions"),
        Right(role, "EXECUTE", "FUNCTION make_audit_months()"),
        Right(role, "SELECT (token_hash)", "TABLE bot_tokens"),
    }


@dataclass(slots=True)
class Busy:
    """An account with a bot that has reported all kinds of data, and no open position."""

    user: User
    bot: Bot
    key_id: str

    async def begin(self, kind: str, **members: Any) -> str:
        """Take the key from the bot and begin a deletion; return the operation's address."""
        if kind == "delete_key_data":
            unassigned = await self.user.delete(f"/v1/bots/{self.bot.id}/key")
            assert unassigned.status_code == 200, unassigned.text
            answer = await self.user.delete(f"/v1/keys/{self.key_id}?associated_data=delete")
        elif kind == "close_account":
            answer = await self.user.delete("/v1/account")
        else:
            answer = await self.user.post("/v1/data-deletions", members)
        assert answer.status_code == 202, answer.text
        return str(answer.headers["location"])


async def busy(world: World, account: str = "alice") -> Busy:
    trading = await trader(world, account)
    bot = trading.bot
    await trading.report("opening")
    await trading.report("open")
    await trading.report("closed")
    for kind in KINDS_OF_REPORTS:
        await report(bot, kind, item(kind, "one"))
    groups = [{"max_leverage": "50", "symbols": ["BTC-USDT-SWAP"]}]
    credentials_report = {
        "version": 1,
        "status": "ok",
        "max_leverages": {"contract_type": "linear", "groups": groups},
        "checked_at": "2026-11-22T10:00:00Z",
    }
    heartbeat = await bot.post("/v1/runtime/heartbeat", {"credentials": credentials_report})
    assert heartbeat.status_code == 200, heartbeat.text
    return Busy(trading.user, bot, trading.key["id"])


@asynccontextmanager
async def workers_of(split: Split) -> AsyncIterator[dict[str, list[Task]]]:
    """Yield the tasks of each worker by its login, each with the database of that login."""
    database, exchanges = split.databases["catalogue"], split.api.context.exchanges
    catalogues = CatalogueRefresher(database, exchanges, AT_ONCE, background=False)
    async with sending(split) as tasks_that_send:
        yield {
            "catalogue": catalogue_tasks(database, catalogues),
            "purge": purge_tasks(split.databases["purge"]),
            "webhooks": tasks_that_send,
        }
    await catalogues.close()


class Answering(Sender):
    """A sender whose receivers answer with the status that their address ends with."""

    def __init__(self) -> None:
        super().__init__(public_context(), Allowed())

    async def send(self, url: str, message: Message) -> Outcome:
        del message
        code = int(url[-3:])
        return Outcome(code, None if code == 200 else SendError.UNEXPECTED_STATUS)


@asynccontextmanager
async def sending(split: Split) -> AsyncIterator[list[Task]]:
    """Yield the tasks of the worker that sends webhooks; a turn ends when all has been sent."""
    database = split.databases["webhooks"]
    deliverer = Deliverer(
        database.sessions,
        WebhookKeys(split.keys.read_secret(KeyKind.WEBHOOK)),
        Answering(),
        Allowed(),
        DeliveryMetrics(),
    )

    async def deliver() -> int:
        begun = await deliverer.turn()
        await deliverer.idle()
        return begun

    fan_out, task = webhook_tasks(database, deliverer)
    yield [fan_out, task._replace(turn=deliver)]
    await deliverer.close()


async def ask_worker(database: Database, login: str, tasks: list[Task]) -> None:
    """Ask a worker for everything that it serves to operators."""
    gauges = [one for task in tasks for one in task.gauges]
    rights = LoginRights((f"botkeys_{login}",))
    app = operations_app(WorkerVitals(database, rights, gauges, statement_seconds=10))
    async with served(app) as http:
        ready = await http.get("/readyz")
        metrics = (await http.get("/metrics")).text
    assert ready.status_code == 200, ready.text
    for family in (family for one in gauges for family in one.families):
        assert f"\n{family.name}" in metrics, family


AGED = (
    "UPDATE catalogues SET attempted_at = now() - interval '1 day'",
    "UPDATE idempotency_records SET created_at = now() - interval '1 year'",
    "UPDATE releases SET at = now() - interval '1 year'",
    "UPDATE operations SET finished_at = now() - interval '1 year'",
    "UPDATE events SET at = now() - interval '1 year'",
    "UPDATE purged_positions SET purged_at = now() - interval '1 year'",
    "UPDATE positions SET expires_at = now() - interval '1 day' WHERE status = 'opening'",
    "UPDATE presence SET lease_until = now() - interval '1 minute'",
    "UPDATE keys SET expires_at = now() + interval '12 hours'",
    "UPDATE stale_days SET marked_at = now() - interval '1 day'",
)
DROP_MONTH = """
    DO $$ BEGIN
        EXECUTE to_char(
            now() AT TIME ZONE 'UTC' + interval '3 months',
            '"DROP TABLE audit_months.month_"YYYY_MM'
        );
    END $$
    """
TO_DO = {
    "refresh": ("SELECT count(*) FROM catalogues WHERE attempted_at < now() - interval '1 hour'",),
    "sweep": (
        "SELECT count(*) FROM idempotency_records WHERE created_at < now() - interval '1 day'",
        "SELECT count(*) FROM releases",
        "SELECT count(*) FROM operations WHERE finished_at < now() - interval '40 days'",
        "SELECT count(*) FROM purged_positions",
        "SELECT count(*) FROM events WHERE at < now() - interval '30 days'",
        "SELECT count(*) FROM positions WHERE status = 'opening'",
    ),
    "audit_months": (
        """
        SELECT count(*) FROM generate_series(0, 3) AS ahead
        WHERE to_regclass(to_char(
            now() AT TIME ZONE 'UTC' + make_interval(months => ahead),
            '"audit_months.month_"YYYY_MM'
        )) IS NULL
        """,
    ),
    "presence": ("SELECT count(*) FROM presence WHERE announced_online",),
    "expiry": (
        "SELECT count(*) FROM keys WHERE expiry_announced IS NULL AND expires_at IS NOT NULL",
    ),
    "rollups": ("SELECT count(*) FROM stale_days",),
    "cut_days": (
        """
        SELECT count(*) FROM trade_days JOIN deletion_marks USING (account_id)
        WHERE first_at < cutoff AND NOT EXISTS (
            SELECT FROM stale_days WHERE stale_days.account_id = trade_days.account_id
        )
        """,
    ),
    "purge": (
        "SELECT count(*) FROM trades",
        "SELECT count(*) FROM operations WHERE status = 'queued'",
    ),
    "import": ("SELECT count(*) FROM import_rows",),
    "fan_out": (
        """
        SELECT count(*) FROM webhooks JOIN event_heads USING (account_id)
        WHERE active AND webhooks.sequence < event_heads.sequence
        """,
    ),
    "deliver": (
        """
        SELECT count(*) FROM webhook_deliveries
        WHERE status = 'pending' AND next_attempt_at <= now()
        """,
    ),
}
"""What each task finds before its turn, and does not find any more after it."""


async def test_each_task_of_the_workers_does_its_work_under_its_login(
    production: World, split: Split
) -> None:
    first = await busy(production)
    await first.begin("delete_data", scope="all")
    assert await production.purge() == 1
    again = await trader(production, "bob")
    await again.report("opening")
    released = await again.bot.post("/v1/runtime/credentials", one_time_key())
    assert released.status_code == 200, released.text
    other = await busy(production, "carol")
    headers = {"Idempotency-Key": "an-old-record"}
    await other.user.post("/v1/bots", {"name": "another"}, headers=headers)
    await split.write(*AGED)
    await split.define(DROP_MONTH)
    importing = production.user("dave")
    key = await importing.add_key("other_account")
    file = json.dumps([exported("one", key)]).encode()
    assert (await send(importing, file, key_id=key["id"])).status_code == 202

    watching = production.user("erin")
    for code in (200, 410, 500):
        url = f"https://hooks.example.com/{code}"
        assert (await watching.post("/v1/webhooks", {"url": url})).status_code == 201
    await watching.add_bot()
    await split.write(
        "UPDATE webhooks SET failing_since = now() - interval '1 hour'",
        "UPDATE event_heads SET watched = false",  # as a release that makes no news leaves it
    )

    async def to_do(name: str) -> list[int]:
        async with split.superuser.sessions() as session:
            return [int(await session.scalar(text(query)) or 0) for query in TO_DO[name]]

    async with workers_of(split) as workers:
        assert set(workers) == set(split.databases) - {"api", "runtime"}
        for login, of_login in workers.items():
            await ask_worker(split.databases[login], login, of_login)
        tasks = {task.name: task for of_login in workers.values() for task in of_login}
        assert set(TO_DO) == set(tasks)
        for name, task in tasks.items():
            if name == "cut_days":
                await other.begin("delete_data", scope="all")
            before = await to_do(name)
            assert all(before), (name, before)
            await task.turn()
            if name == "import":
                assert len(await trades(importing)) == 1
            after = await to_do(name)
            assert not any(after), (name, after)


DELETIONS: list[tuple[str, dict[str, Any]]] = [
    ("delete_key_data", {}),
    ("delete_data", {"scope": "all"}),
    ("delete_data", {"scope": "environment", "environment": "testnet"}),
    ("delete_data", {"scope": "keys"}),
    ("delete_data", {"scope": "before"}),
    ("delete_data", {"scope": "before", "environment": "testnet"}),
    ("close_account", {}),
]


def test_every_kind_of_operation_and_every_scope_is_tried() -> None:
    assert {kind for kind, _ in DELETIONS} == set(OPERATIONS)
    scopes = {members["scope"] for kind, members in DELETIONS if kind == "delete_data"}
    assert scopes == set(get_args(get_args(DeletionScope.__value__)[0]))


@pytest.mark.parametrize(("kind", "members"), DELETIONS, ids=str)
async def test_each_operation_ends_with_its_rows_gone_under_the_worker_s_login(
    production: World, split: Split, kind: str, members: dict[str, Any]
) -> None:
    account = await busy(production)
    assert all((await left(split.superuser, account.bot.account_id)).values())
    members = dict(members)
    if members.get("scope") == "keys":
        members["key_ids"] = [account.key_id]
    if members.get("scope") == "before":
        members["before"] = datetime.now(UTC).isoformat()
    place = await account.begin(kind, **members)

    assert await production.purge() == 1

    operation = (await account.user.get(place)).json()
    assert operation["status"] == "succeeded", operation
    assert operation["done"] == operation["total"] > 0
    now = await left(split.superuser, account.bot.account_id)
    assert {name: rows for name, rows in now.items() if rows} == {}

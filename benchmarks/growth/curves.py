"""Measures everything at each size of one installation that grows, and judges the curves."""

import math
import re
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from app.api.openapi import openapi_document
from app.auth.development_issuer import DevelopmentIssuer
from app.auth.principal import account_id
from app.custody.keyfiles import KeyFolder, KeyKind
from app.custody.webhook_keys import WebhookKeys
from app.db.engine import Database, open_database
from app.main import create_app, use_context
from app.process.startup import intervals, open_context
from app.settings import Mode, Role, Settings
from benchmarks.growth.calls import checks, readings
from benchmarks.growth.measuring import Cost, Meter, lowest
from benchmarks.growth.scene import Refused, Scene, set_scene
from benchmarks.growth.seeding import grow
from benchmarks.growth.sweeps import Sweep, catalogue_refresher, sweeps

ACCOUNT = "big"
TIMES = 3
SLACK = {"buffers": 60, "rows": 250}
"""By how much a curve may rise without being called growth: a level of an index or two for each
statement, and pages that fill.
"""

OF_THE_ACCOUNT = "grows with the account's keys and bots, whose number is limited"
ACCEPTED = {
    r"/v1/account|changeAccount": f"{OF_THE_ACCOUNT}: it names what each key has",
    r"/v1/analytics/\S+( .*)?": f"{OF_THE_ACCOUNT}: it adds up what each has",
    r"/v1/(trades|funding|positions|equity-snapshots|signals|bot-events)( .*)?|\S+-preview": (
        "reads the marks of what the account has deleted, from an index alone"
    ),
    r"/v1/events( .*)?": "looks at the account's marks for each event, while they are few",
    r"/v1/dashboard( .*)?": f"{OF_THE_ACCOUNT}: it counts those in each state",
    r"/v1/(keys|bots) (?!sort=).*": f"{OF_THE_ACCOUNT}, where few of many fit",
    r"cut_days": "reads the days of each account that something was deleted in within the hour",
    r"presence": "looks at each bot online, once in half a lease: a thousandth of its heartbeats",
}
"""What may grow, and why: patterns of names. The last two alone grow with other accounts."""

_CONNECTIONS = 4
_LIMITS: dict[str, Any] = {
    "requests_per_account": 1_000_000,
    "requests_per_bot": 1_000_000,
    "rows_per_bot_and_day": 1_000_000_000,
    "keys_per_account": 1_000_000,
    "bots_per_account": 1_000_000,
    "releases_per_hour": 1_000_000,
}


@dataclass(slots=True)
class Curve:
    """What one thing costs by the number of keys. `kind`: reading, check, sweep, idle or gauge."""

    name: str
    kind: str
    costs: dict[int, Cost] = field(default_factory=dict)

    @property
    def grows(self) -> bool:
        buffers = {size: cost.buffers for size, cost in self.costs.items()}
        rows = {size: cost.rows for size, cost in self.costs.items()}
        return len(self.costs) > 1 and (
            grows(buffers, SLACK["buffers"]) or grows(rows, SLACK["rows"])
        )

    @property
    def accepted(self) -> str | None:
        """Why it may grow."""
        return next((why for what, why in ACCEPTED.items() if re.fullmatch(what, self.name)), None)

    def document(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": self.kind,
            "grows": self.grows,
            "accepted": self.accepted,
            "points": [{"keys": size, **asdict(cost)} for size, cost in sorted(self.costs.items())],
        }


def grows(costs: dict[int, int], slack: int) -> bool:
    """Return whether costs rise faster than the logarithm of the size, in the last step.

    PostgreSQL reads small tables as a whole, so that the first steps tell little.
    """
    *_, (former, less), (last, most) = sorted(costs.items())
    return most > less * math.log(last) / math.log(former) + slack


@dataclass(frozen=True, slots=True)
class Measured:
    """What is measured: calls of the routes in `document`, and the workers' tasks."""

    document: dict[str, Any]
    scene: Scene
    tasks: list[Sweep]


def _times(whole: bool) -> int:  # as its only caller passes it on
    return TIMES if whole else 1


class Curves:
    """The curves of an installation; `at` measures it at a further size."""

    def __init__(self) -> None:
        self._curves: dict[tuple[str, str], Curve] = {}
        self.refused: list[tuple[int, str]] = []

    @property
    def all(self) -> list[Curve]:
        return list(self._curves.values())

    def note(self, size: int, name: str, kind: str, cost: Cost) -> None:
        self._curves.setdefault((kind, name), Curve(name, kind)).costs[size] = cost

    async def at(self, size: int, measured: "Measured", meter: Meter, *, whole: bool) -> None:
        """Measure every reading and task at this size; if `whole`, in all ways, and the checks."""
        for task in measured.tasks:
            await task.turn()  # what was due before
        for call in await readings(measured.document, measured.scene, all_ways=whole):
            try:
                self.note(size, call.name, "reading", await lowest(meter, call.run, _times(whole)))
            except Refused:
                self.refused.append((size, call.name))
        for task in measured.tasks:
            await self._sweep(size, meter, task, _times(whole))
        for calls in checks(measured.scene).values() if whole else ():
            for call in calls:
                try:
                    self.note(size, call.name, "check", await lowest(meter, call.run, TIMES))
                except Refused:
                    self.refused.append((size, call.name))

    async def _sweep(self, size: int, meter: Meter, task: Sweep, times: int) -> None:
        await task.settle()
        self.note(size, task.name, "idle", await lowest(meter, task.turn, times))
        await task.due()
        self.note(size, task.name, "sweep", await meter.cost(task.turn))
        for gauge in task.gauges:
            self.note(size, gauge.name, "gauge", await lowest(meter, gauge.run, times))


async def measure(
    url: str,
    owner_url: str,
    folder: Path,
    sizes: list[int],
    report: Callable[[str], None],
    *,
    whole: bool = True,
) -> list[Curve]:
    """Grow an empty, migrated database to each size, and measure there.

    Unless `whole`, only the first page of each list without filters, and the tasks.
    """
    settings = Settings(mode=Mode.DEVELOPMENT, data_dir=folder, **_LIMITS)
    curves = Curves()
    async with AsyncExitStack() as stack:
        database, owner = _open(url, stack), _open(owner_url, stack)
        opened = await stack.enter_async_context(
            open_context(settings, Role.ALL, database=database)
        )
        # No exchange is asked for what it lists: that is there already.
        refresher = catalogue_refresher(database, opened.exchanges, intervals(settings))
        context = replace(opened, catalogues=refresher)
        app = create_app(settings, Role.ALL)
        use_context(app, context)
        transport = httpx.ASGITransport(app)
        http = await stack.enter_async_context(
            httpx.AsyncClient(transport=transport, base_url="http://botkeys.test")
        )
        issuer = DevelopmentIssuer(context.settings.keys_folder)
        big = account_id(issuer.issuer, ACCOUNT)
        keys = WebhookKeys(KeyFolder(context.settings.keys_folder).read_secret(KeyKind.WEBHOOK))
        tasks = await stack.enter_async_context(sweeps(database, owner, refresher, keys))
        scene = await set_scene(http, issuer.token(ACCOUNT), big, owner, tasks)
        meter = Meter(owner, database, _CONNECTIONS)
        measured = Measured(openapi_document(app), scene, tasks)
        begin = 0
        for size in sizes:
            report(f"growing to {size:,} keys")
            await grow(
                owner_url,
                big,
                begin,
                size,
                webhook=scene.webhook,
                audit_key=bytes(context.audit.reveal()),
            )
            report(f"measuring at {size:,} keys")
            await curves.at(size, measured, meter, whole=whole)
            begin = size
    for size, name in curves.refused:
        report(f"no answer in time at {size:,} keys: {name}")
    return curves.all


def _open(url: str, stack: AsyncExitStack) -> Database:
    database = open_database(
        url,
        application_name="botkeys-growth",
        pool_size=_CONNECTIONS,
        pool_timeout=60,
        statement_timeout=600,
    )
    stack.push_async_callback(database.close)
    return database

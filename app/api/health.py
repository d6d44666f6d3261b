"""Whether the process is alive, whether it can serve, and its metrics."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import Field
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.api.json_response import json_answer
from app.api.schemas import Document
from app.api.telemetry import Metrics
from app.custody.master_keys.readiness import key_file_fault, registry_fault
from app.custody.role_keys import ApiKeys, RuntimeKeys
from app.db.engine import Database
from app.db.failures import is_outage, sqlstate
from app.db.rights import LoginRights
from app.db.schema_version import current, is_newer, serves
from app.kit.recent import Recent

liveness = APIRouter(tags=["health"])
"""Served on every port."""
router = APIRouter(tags=["health"])
"""Served on the port for operators, if there is one."""

_SECONDS = 3
_NOT_ALLOWED = "42501"
FRESH = 1.0
"""How long a result of the checks is returned again, in seconds."""
log = structlog.get_logger("botkeys.health")
_PUBLIC: dict[str, Any] = {"security": []}
_METRICS = {
    "schema": {"type": "string"},
    "example": 'botkeys_key_checks_total{exchange="okx",outcome="verified"} 3.0\n',
}


Checks = tuple[bool, dict[str, str]]
"""Whether all is well enough to serve, and the result of each check."""


class Vitals:
    """The objects that the checks need, one per process; kept by `main` in the application's state.

    `api` and `runtime` are `None` in a process without that role. `reached_issuer` returns whether
    the issuer's keys were ever fetched.
    """

    def __init__(
        self,
        database: Database,
        metrics: Metrics,
        api: ApiKeys | None,
        runtime: RuntimeKeys | None,
        reached_issuer: Callable[[], Awaitable[bool]],
        rights: LoginRights,
    ) -> None:
        self.database = database
        self.metrics = metrics
        self.api = api
        self.runtime = runtime
        self.reached_issuer = reached_issuer
        self.rights = rights
        self.checks = Recent(self._check, FRESH)

    async def _check(self) -> Checks:
        ready, checks = await database_checks(self.database, self.rights)
        checks["master_key"] = await _master_key(self, usable=ready)
        ready = ready and checks["master_key"] == "ok"
        if await self.reached_issuer():
            checks["issuer"] = "ok"
        else:
            checks["issuer"] = "never reached"
            ready = ready and self.runtime is not None
        return ready, checks


class Liveness(Document):
    """Proof that the process responds."""

    status: Annotated[str, Field(description="`ok`.", examples=["ok"])]


class ReadinessChecks(Document):
    """The checks; each is `ok`, or says what is wrong."""

    database: Annotated[str, Field(description="Whether the database responds.", examples=["ok"])]
    migrations: Annotated[
        str,
        Field(
            description="Whether the database is at this release's migration, or a later one.",
            examples=["ok"],
        ),
    ]
    grants: Annotated[
        str,
        Field(
            description="Whether the login has the rights of this process's role. A login that "
            "has more is named here in production, and the process is ready all the same.",
            examples=["ok"],
        ),
    ]
    master_key: Annotated[
        str, Field(description="Whether the key files can be used.", examples=["ok"])
    ]
    issuer: Annotated[
        str,
        Field(
            description="Whether this process ever got the issuer's keys. Bots do not need them, "
            "so only a process without the role `runtime` is not ready then.",
            examples=["ok"],
        ),
    ]


class Readiness(Document):
    """Whether requests should be sent to this process."""

    status: Annotated[str, Field(description="`ok` or `unavailable`.", examples=["ok"])]
    checks: Annotated[ReadinessChecks, Field(description="The checks of this process.")]


_NOT_READY: dict[str, Any] = {
    "description": "At least one check failed.",
    "model": Readiness,
    "content": {
        "application/json": {
            "example": {
                "status": "unavailable",
                "checks": {
                    "database": "unreachable",
                    "migrations": "unknown",
                    "grants": "unknown",
                    "master_key": "ok",
                    "issuer": "ok",
                },
            }
        }
    },
}


@liveness.get(
    "/livez",
    operation_id="getLiveness",
    summary="Check that the process is alive",
    response_model=Liveness,
    openapi_extra=_PUBLIC,
)
async def livez() -> Response:
    """Return `ok` while the process serves requests at all."""
    return json_answer({"status": "ok"})


@router.get(
    "/readyz",
    operation_id="getReadiness",
    summary="Check that the process can serve",
    response_model=Readiness,
    responses={503: _NOT_READY},
    openapi_extra=_PUBLIC,
)
async def readyz(request: Request) -> Response:
    """Check database, migrations, grants, master key and issuer.

    Each is `ok`, or says what is wrong.
    """
    vitals: Vitals = request.app.state.vitals
    ready, checks = await vitals.checks.get()
    return json_answer(
        {"status": "ok" if ready else "unavailable", "checks": checks},
        status=200 if ready else 503,
    )


@router.get(
    "/metrics",
    operation_id="getMetrics",
    summary="Get metrics for Prometheus",
    response_class=Response,
    responses={200: {"description": "The metrics.", "content": {"text/plain": _METRICS}}},
    openapi_extra=_PUBLIC,
)
async def metrics(request: Request) -> Response:
    """Return the metrics of this process in the Prometheus text format."""
    vitals: Vitals = request.app.state.vitals
    return Response(generate_latest(vitals.metrics.registry), media_type=CONTENT_TYPE_LATEST)


async def database_checks(database: Database, rights: LoginRights) -> Checks:
    """Check whether the database responds, is migrated, and grants the login what it needs."""
    checks = {"database": "unreachable", "migrations": "unknown", "grants": "unknown"}
    try:
        async with asyncio.timeout(_SECONDS), database.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
            checks["database"] = "ok"
            verdict = await rights.look(connection)
            try:
                at = await current(connection)
            except DBAPIError as error:
                if sqlstate(error) != _NOT_ALLOWED:
                    raise
                return False, checks | {"grants": verdict.fault or "ok"}
    except Exception as error:  # noqa: BLE001  # readiness never fails: it says what does
        if not is_outage(error):
            log.warning("check_failed", check="database", exception=type(error).__name__)
        return False, checks
    if not serves(at):
        # The rights that this release states belong to its own migration.
        return False, checks | {"migrations": "not at head"}
    checks |= {"migrations": "ok", "grants": verdict.fault or verdict.remark or "ok"}
    # A later release may have replaced a right by another one.
    return verdict.fault is None or is_newer(at), checks


async def _master_key(vitals: Vitals, *, usable: bool) -> str:
    """Report key files that are unreadable, are other keys, or lack one, before they are used.

    `usable`: the database can be asked which key each version is.
    """
    fault = key_file_fault(vitals.api, vitals.runtime)
    if fault is not None or not usable:
        return fault or "ok"
    try:
        async with vitals.database.read_sessions() as session:
            return await registry_fault(session, vitals.api, vitals.runtime) or "ok"
    except Exception as error:  # noqa: BLE001  # as above
        if not is_outage(error):
            log.warning("check_failed", check="master_key", exception=type(error).__name__)
        return "not compared with the database, which does not respond"

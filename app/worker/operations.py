"""What a worker serves on `BOTKEYS_OPERATIONS_PORT`: liveness, readiness and metrics."""

from fastapi import APIRouter, FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from app.api.application import new_application
from app.api.health import FRESH, Checks, database_checks
from app.api.json_response import json_answer
from app.api.pool_metrics import add_pool_metrics
from app.api.problems import add_problem_handlers
from app.api.telemetry import RequestMetrics, TelemetryMiddleware
from app.db.engine import Database
from app.db.rights import LoginRights
from app.kit.recent import Recent
from app.worker.gauges import GaugeReader, Gauges
from app.worker.watch import Watch

STUCK_SECONDS = 300.0
"""How long a turn may go on without a beat, in addition to what one statement may take.

The longest unit of work, a catalogue's refresh, waits 30 seconds for an exchange and sends some
dozen statements. So a worker is ended that will never do anything again, and never one that works.
"""

router = APIRouter()


class WorkerVitals:
    """What the routes ask: the pulses of the tasks, the database and the metrics."""

    def __init__(
        self,
        database: Database,
        rights: LoginRights,
        gauges: list[Gauges],
        *,
        statement_seconds: float,
    ) -> None:
        self.metrics = RequestMetrics()
        self.watch = Watch(self.metrics.registry)
        self.gauges = GaugeReader(database.read_sessions, gauges)
        self.checks = Recent(self._check, FRESH)
        self._database = database
        self._rights = rights
        self._stuck_seconds = STUCK_SECONDS + statement_seconds
        self.metrics.registry.register(self.gauges)
        add_pool_metrics(self.metrics.registry, database.engine)

    def stuck(self) -> list[str]:
        """Return the tasks that do not go on."""
        return self.watch.stuck(self._stuck_seconds)

    async def _check(self) -> Checks:
        ready, checks = await database_checks(self._database, self._rights)
        failing = self.watch.failing()
        failures = ", ".join(f"{task} ({error})" for task, error in failing.items())
        checks["tasks"] = f"the last turn failed: {failures}" if failing else "ok"
        return ready and not failing, checks


def operations_app(vitals: WorkerVitals) -> FastAPI:
    app = new_application()
    app.router.routes.extend(router.routes)
    add_problem_handlers(app)
    app.add_middleware(TelemetryMiddleware)
    app.state.vitals = vitals
    app.state.metrics = vitals.metrics
    return app


@router.get("/livez")
async def livez(request: Request) -> Response:
    """Return 503 if a task has ended, or its turn has gone on for minutes without any progress."""
    vitals: WorkerVitals = request.app.state.vitals
    stuck = vitals.stuck()
    if stuck:
        return json_answer({"status": "unavailable", "stuck": stuck}, status=503)
    return json_answer({"status": "ok"})


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """Check database, migrations, grants and the tasks' last turns."""
    vitals: WorkerVitals = request.app.state.vitals
    ready, checks = await vitals.checks.get()
    return json_answer(
        {"status": "ok" if ready else "unavailable", "checks": checks}, status=200 if ready else 503
    )


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Return the metrics of this worker, with what waits in the database."""
    vitals: WorkerVitals = request.app.state.vitals
    await vitals.gauges.refresh()
    return Response(generate_latest(vitals.metrics.registry), media_type=CONTENT_TYPE_LATEST)

"""Creates the application: the routes of its role, and what surrounds them."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import FastAPI

from app.api import health
from app.api import openapi as documentation
from app.api.admission import Admission
from app.api.application import new_application
from app.api.body_limit import BodyLimitMiddleware
from app.api.cross_origin import CrossOriginMiddleware
from app.api.health import Vitals
from app.api.problems import add_problem_handlers
from app.api.telemetry import TelemetryMiddleware
from app.api.tracing import TracingMiddleware
from app.auth.cookies import session_cookie_name
from app.context import Context
from app.dashboard.pages import Page
from app.dashboard.sign_in.code_router import router as code_sign_in
from app.dashboard.sign_in.one_time_links import OneTimeLinks
from app.dashboard.sign_in.router import router as sign_in
from app.dashboard.sign_in.site import SignInSite
from app.dashboard.sign_in.states import SignInStates
from app.db.rights import LoginRights
from app.domains.sessions.lifetimes import session_times
from app.domains.sessions.lookup import SessionLookup
from app.pipeline.authentication import Authentication
from app.pipeline.request_pipeline import RequestPipeline
from app.routes import routers_of
from app.settings import Mode, Role, Settings

_DATABASE_ROLES = {
    Role.ALL: ("botkeys_api", "botkeys_runtime"),
    Role.API: ("botkeys_api",),
    Role.RUNTIME: ("botkeys_runtime",),
}


def create_app(
    settings: Settings,
    role: Role = Role.ALL,
    *,
    context: AbstractAsyncContextManager[Context] | None = None,
) -> FastAPI:
    """Return the application of one process, which opens and closes `context`.

    Without a context it can describe its routes, and it serves once `use_context` gives it one.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        if context is None:
            raise RuntimeError("this application was created without a context")
        async with context as opened:
            use_context(app, opened)
            yield {}

    app = new_application(lifespan)
    # Each router sets prefix and tags itself. Its routes are added to the application's own list,
    # because an included router is searched twice for each request.
    for router in routers_of(role):
        app.router.routes.extend(router.routes)
    if serves_dashboard(settings, role):
        app.router.routes.extend(Page().routes())
        app.router.routes.extend([*sign_in.routes, *code_sign_in.routes])
        if settings.simulated:
            # Imported here: production never loads the simulator.
            from app.dashboard import simulated  # noqa: PLC0415

            app.router.routes.extend(simulated.routes())
    app.router.routes.extend(health.liveness.routes)
    if settings.operations_port is None:
        app.router.routes.extend(health.router.routes)
        documentation.add_documentation(app, lambda: app)
    add_problem_handlers(app)
    _add_middleware(app, settings)
    return app


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """Add what surrounds every request, the innermost first."""
    app.add_middleware(BodyLimitMiddleware, largest=settings.body_limit)
    app.add_middleware(TelemetryMiddleware)
    if settings.cors_origins or settings.permits_loopback_origins:
        app.add_middleware(
            CrossOriginMiddleware,
            origins=settings.cors_origins,
            loopback=settings.permits_loopback_origins,
        )
    if settings.traces:
        app.add_middleware(TracingMiddleware)


def serves_dashboard(settings: Settings, role: Role) -> bool:
    """Return whether a process has the page and its sign-in."""
    return settings.serves_dashboard and role in {Role.ALL, Role.API}


def create_operations_app(settings: Settings, role: Role) -> FastAPI:
    """Return the application of `BOTKEYS_OPERATIONS_PORT`; it serves once it has a context."""
    app = new_application()
    app.router.routes.extend(health.liveness.routes)
    app.router.routes.extend(health.router.routes)
    whole = settings.model_copy(update={"operations_port": None})
    documentation.add_documentation(app, lambda: create_app(whole, role))
    add_problem_handlers(app)
    app.add_middleware(TelemetryMiddleware)
    return app


def use_context(app: FastAPI, context: Context) -> None:
    """Connect the routes and what surrounds them to the process's open resources."""
    runtime, settings = context.runtime, context.settings
    state = app.state
    state.context = context
    state.metrics = context.metrics
    state.traces = context.traces
    state.vitals = Vitals(
        context.database,
        context.metrics,
        context.api,
        runtime,
        context.verifier.reached_issuer,
        LoginRights(_DATABASE_ROLES[context.role], strict=settings.mode is Mode.PRODUCTION),
    )
    authentication = Authentication(
        verifier=context.verifier,
        account_statuses=context.account_statuses,
        config_rows=context.config_rows,
        releases=context.release_batches,
        token_hashes=context.token_hashes,
        bot_tokens=None if runtime is None else runtime.token,
        releases_per_hour=settings.releases_per_hour,
        limits=context.limits,
        admission=Admission(),
        sessions=_sessions(context),
    )
    if serves_dashboard(settings, context.role):
        state.sign_in = _sign_in(context, authentication)
    state.pipeline = RequestPipeline(
        database=context.database,
        authentication=authentication,
        write_limiter=context.write_limiter,
        shares=context.shares,
        hmac_key=context.audit,
        refusals=context.refusals,
        metrics=context.metrics,
        replica=context.replica,
    )


def _sessions(context: Context) -> SessionLookup | None:
    settings = context.settings
    at_runtime = context.role is Role.RUNTIME
    if not settings.serves_dashboard or (at_runtime and context.id_tokens is None):
        return None
    return SessionLookup(
        context.database.autocommit,
        context.audit,
        session_times(settings),
        cookie_name=session_cookie_name(secure=settings.page_url.startswith("https://")),
        id_tokens=context.id_tokens if at_runtime else None,
    )


def _sign_in(context: Context, authentication: Authentication) -> SignInSite:
    settings = context.settings
    own_issuer = settings.mode is Mode.DEVELOPMENT and settings.oidc_issuer is None
    return SignInSite(
        url=settings.page_url,
        database=context.database,
        hmac_key=context.audit,
        times=session_times(settings),
        authentication=authentication,
        limits=context.limits,
        links=OneTimeLinks(context.audit) if own_issuer else None,
        flow=context.code_flow,
        states=SignInStates(context.audit),
    )

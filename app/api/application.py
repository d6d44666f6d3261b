"""The framework's application with less around each request.

CORS ─► Telemetry ─► limit of the body ─► problems of known errors ─► routes

The framework would put more around that: an answer to errors that nobody caught, which
`TelemetryMiddleware` gives, and telemetry and a body limit of its own, which are turned off.
"""

from typing import Any

from fastapi import FastAPI
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from starlette._utils import get_route_path
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import Match
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from app.api.route import EdgeRoute


class Application(FastAPI):
    """An application in which `TelemetryMiddleware`, outside of all that may fail, answers every
    error.
    """

    def build_middleware_stack(self) -> ASGIApp:
        """Return the framework's stack without what is done here already.

        Called once, with the first request, when all routes have been added.
        """
        stack: ASGIApp = AsyncExitStackMiddleware(DirectRoutes(self.router, self.routes))
        stack = ExceptionMiddleware(stack, handlers=self.exception_handlers, debug=self.debug)
        for middleware in reversed(self.user_middleware):
            stack = middleware.cls(stack, *middleware.args, **middleware.kwargs)
        return stack


def new_application(lifespan: Lifespan[FastAPI] | None = None) -> FastAPI:
    """Return an application without routes, documentation and telemetry of the framework."""
    return Application(
        title="Botkeys",
        version="1",
        summary="Keeps the exchange API keys of automated trading bots.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        openapi_url=None,
        # If a provider is set, the framework's own telemetry records query strings and exception
        # messages, both of which may contain what a caller sent.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )


class DirectRoutes:
    """Finds hot routes without parameters by their path; `router` searches for all others.

    The router compares a path with each route's pattern in turn, and passes a request on through
    three functions, which takes longer than the check of a bot's token.
    """

    def __init__(self, router: ASGIApp, routes: list[Any]) -> None:
        self._router = router
        self._routes: dict[tuple[str, str], EdgeRoute] = {}
        for route in routes:
            if isinstance(route, EdgeRoute) and route.access.hot and not route.param_convertors:
                for method in route.methods or ():
                    if _searched(routes, method, route.path) is route:
                        self._routes[method, route.path] = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = None
        if scope["type"] == "http":
            route = self._routes.get((scope["method"], get_route_path(scope)))
        if route is None:
            await self._router(scope, receive, send)
            return
        scope["route"] = route
        scope["endpoint"] = route.endpoint
        scope["path_params"] = {}
        await route.app(scope, receive, send)


def _searched(routes: list[Any], method: str, path: str) -> Any:
    """Return the route that the router finds."""
    scope = {"type": "http", "method": method, "path": path}
    return next((route for route in routes if route.matches(scope)[0] is Match.FULL), None)

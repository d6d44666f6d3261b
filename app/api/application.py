"""The framework's application with less around each request.

CORS ─► Telemetry ─► limit of the body ─► problems of known errors ─► routes

The framework would put more around that: an answer to errors that nobody caught, which
`TelemetryMiddleware` gives, and telemetry and a body limit of its own, which are turned off.
"""

import re
from collections.abc import Callable
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
    """Finds hot routes by their path, if only its end may be a parameter; `router` searches for
    all others.

    The router compares a path with each route's pattern in turn, and passes a request on through
    three functions, which takes longer than the check of a bot's token.
    """

    def __init__(self, router: ASGIApp, routes: list[Any]) -> None:
        self._router = router
        self._routes: dict[tuple[str, str], EdgeRoute] = {}
        self._ending_in_one: dict[tuple[str, str], EdgeRoute] = {}
        for route in routes:
            if not isinstance(route, EdgeRoute) or not route.access.hot:
                continue
            place, parameter, rest = route.path.partition("{")
            for method in route.methods or ():
                if not parameter and _searched(routes, method, route.path) is route:
                    self._routes[method, route.path] = route
                elif (
                    rest.endswith("}")
                    and "{" not in rest
                    and ":" not in rest
                    and _searched(routes, method, f"{place}{_ANY}") is route
                    and not any(map(_names_one_of(place), routes))
                ):
                    self._ending_in_one[method, place] = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = None
        if scope["type"] == "http":
            route = self._found(scope)
        if route is None:
            await self._router(scope, receive, send)
        else:
            await route.app(scope, receive, send)

    def _found(self, scope: Scope) -> EdgeRoute | None:
        """Return the route that the request reaches, with what the router notes of it."""
        path = get_route_path(scope)
        route = self._routes.get((scope["method"], path))
        parameters = {}
        if route is None:
            place, slash, value = path.rpartition("/")
            route = self._ending_in_one.get((scope["method"], place + slash))
            if route is None or not value:
                return None
            (name,) = route.param_convertors
            parameters = {name: value}
        scope["route"] = route
        scope["endpoint"] = route.endpoint
        scope["path_params"] = parameters
        return route


_ANY = "any-value"


def _names_one_of(place: str) -> Callable[[Any], bool]:
    """Return whether a route is of one certain value directly below the place."""
    below = re.compile(re.escape(place) + "[^/{]+")
    return lambda route: below.fullmatch(getattr(route, "path", "")) is not None


def _searched(routes: list[Any], method: str, path: str) -> Any:
    """Return the route that the router finds."""
    scope = {"type": "http", "method": method, "path": path}
    return next((route for route in routes if route.matches(scope)[0] is Match.FULL), None)

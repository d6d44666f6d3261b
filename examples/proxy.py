"""The demo's stand-in for the reverse proxy in front of the roles."""

import re

import httpx

_ROUTES_OF_RUNTIME = re.compile(r"POST /v1/bots/[^/]+/token|[A-Z]+ /v1/runtime/.*")


class RoleTransport(httpx.AsyncHTTPTransport):
    """Leads each request to the role that serves it: most to api, as addressed, some to runtime."""

    def __init__(self, runtime_port: int) -> None:
        super().__init__(trust_env=False)
        self._runtime_port = runtime_port

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if _ROUTES_OF_RUNTIME.fullmatch(f"{request.method} {request.url.path}"):
            request.url = request.url.copy_with(port=self._runtime_port)
        return await super().handle_async_request(request)

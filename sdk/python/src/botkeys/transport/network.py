"""The connections below a transport: direct ones, and tunnels through a proxy."""

import httpx
from httpx import Request, Response

from botkeys.transport.outbound import Outbound

LEG = "botkeys_leg"
"""The extension of a request that holds its `Leg`."""


class ProxyFault(Exception):
    """The proxy failed, not the host behind it. `reason` is safe to log."""

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        self.reason = reason
        self.refused = refused
        super().__init__(reason)


class Leg:
    """How far a request has come: whether it is held up at the proxy."""

    def __init__(self) -> None:
        self.at_proxy = False

    async def note(self, event: str, _: object) -> None:
        """Take an event of httpcore: its trace extension."""
        if event == "connection.connect_tcp.started":
            self.at_proxy = True
        elif event == "proxy.start_tls.started":
            self.at_proxy = False


class Network(httpx.AsyncBaseTransport):
    """The connections of one `Outbound`. Raises httpx's errors, and `ProxyFault`."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._direct = httpx.AsyncHTTPTransport(verify=outbound.tls, trust_env=False)
        self._tunnels = _tunnels(outbound)

    async def handle_async_request(self, request: Request) -> Response:
        url = request.url
        tunnels = self._tunnels
        if (
            tunnels is None
            or self._outbound.proxy_for(url.scheme, url.raw_host.decode("ascii")) is None
        ):
            return await self._direct.handle_async_request(request)
        leg = request.extensions.get(LEG) or Leg()
        request.extensions = {**request.extensions, "trace": leg.note}
        fault: ProxyFault | None = None
        try:
            return await tunnels.handle_async_request(request)
        except httpx.ProxyError as error:
            status = str(error)[:3]
            named = f"status {status}" if status.isdecimal() else "an answer of no meaning"
            fault = ProxyFault(f"it answers with {named}", refused=status.startswith("4"))
        except httpx.TransportError as error:
            if not leg.at_proxy:
                raise
            fault = ProxyFault(type(error).__name__)
            fault.__cause__ = error  # holds the certificate of a proxy that is called over TLS
        raise fault

    async def aclose(self) -> None:
        await self._direct.aclose()
        if self._tunnels is not None:
            await self._tunnels.aclose()


def _tunnels(outbound: Outbound) -> httpx.AsyncHTTPTransport | None:
    """Return the connections through the proxy; `None` without one."""
    if outbound.proxy is None:
        return None
    url = httpx.URL(outbound.proxy.reveal())
    context = outbound.tls if url.scheme == "https" else None
    return httpx.AsyncHTTPTransport(
        verify=outbound.tls, trust_env=False, proxy=httpx.Proxy(url, ssl_context=context)
    )

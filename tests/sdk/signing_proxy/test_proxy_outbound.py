"""The signing proxy's own way to the exchange: a private authority, and a proxy of the network."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from botkeys.sealing.secret import Secret
from botkeys.signing_proxy.refusals import Refusal, RefusalCode
from botkeys.signing_proxy.sockets import open_at_exchange
from botkeys.signing_proxy.upstream import Upstream
from botkeys.transport.outbound import Outbound
from tests.support.outward import ForwardProxy, forward_proxy, server_context, tls_host
from tests.support.tls_front import Authority

HOST = "exchange.test"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "Firm CA")


@asynccontextmanager
async def opened(outbound: Outbound) -> AsyncIterator[Upstream]:
    upstream = Upstream(outbound)
    try:
        yield upstream
    finally:
        await upstream.aclose()


def way(authority: Authority | None, proxy: ForwardProxy) -> Outbound:
    return Outbound(
        ca_file=None if authority is None else authority.path,
        proxy=Secret(proxy.url("user:PLANTED@")),
    )


async def test_calls_go_through_the_proxy_and_share_a_tunnel(authority: Authority) -> None:
    issued = authority.issue("exchange", host=HOST)
    async with (
        tls_host(issued, {"/fapi/v1/time": b"{}"}) as port,
        forward_proxy({f"{HOST}:443": port}) as proxy,
        opened(way(authority, proxy)) as upstream,
    ):
        for _ in range(2):
            answer = await upstream.send(
                "GET", f"https://{HOST}", "/fapi/v1/time?signature=PLANTED", [], b""
            )
            assert answer.status == 200
            assert [chunk async for chunk in answer.body] == [b"{}"]
            await answer.close()
    assert proxy.asked == [f"{HOST}:443"]
    assert b"PLANTED" not in proxy.seen


async def test_an_order_that_the_proxy_refuses_was_not_sent(authority: Authority) -> None:
    async with forward_proxy({}) as proxy, opened(way(authority, proxy)) as upstream:
        with pytest.raises(Refusal) as refused:
            await upstream.send("POST", f"https://{HOST}", "/fapi/v1/order", [], b"a=b")
    assert refused.value.code is RefusalCode.EXCHANGE_UNREACHABLE
    assert "The proxy of BOTKEYS_HTTPS_PROXY" in refused.value.text
    assert "403" in refused.value.text
    assert "PLANTED" not in refused.value.text


async def test_a_refusal_says_which_certificate_is_not_accepted(authority: Authority) -> None:
    issued = authority.issue("exchange")
    async with tls_host(issued, {}) as port, opened(Outbound()) as upstream:
        with pytest.raises(Refusal) as refused:
            await upstream.send("POST", f"https://127.0.0.1:{port}", "/order", [], b"a=b")
        assert refused.value.code is RefusalCode.EXCHANGE_UNREACHABLE
        assert "“CN=exchange” issued by “CN=Firm CA”" in refused.value.text
        with pytest.raises(Refusal, match="BOTKEYS_CA_FILE"):
            await open_at_exchange(f"wss://127.0.0.1:{port}", Outbound())


async def test_websockets_go_through_the_proxy_too(authority: Authority) -> None:
    async def echo(socket: ServerConnection) -> None:
        await socket.send(await socket.recv())

    context = server_context(authority.issue("exchange", host=HOST))
    async with serve(echo, "127.0.0.1", 0, ssl=context) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with (
            forward_proxy({f"{HOST}:443": port}) as plain,
            forward_proxy({f"{HOST}:443": port}, authority.issue("proxy")) as secure,
        ):
            for proxy, scheme in ((plain, "http"), (secure, "https")):
                address = Secret(proxy.url("user:PLANTED@", scheme))
                outbound = Outbound(ca_file=authority.path, proxy=address)
                socket = await open_at_exchange(f"wss://{HOST}/ws", outbound)
                await socket.send("hello")
                assert await socket.recv() == "hello"
                await socket.close()
                assert proxy.asked == [f"{HOST}:443"]
            plain.answer = b"HTTP/1.1 407 No\r\n\r\n"
            with pytest.raises(Refusal, match="The proxy of BOTKEYS_HTTPS_PROXY"):
                await open_at_exchange(f"wss://{HOST}/ws", way(authority, plain))

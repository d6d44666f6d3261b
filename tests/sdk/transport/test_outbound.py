"""Private authorities, proxies, and errors that say which certificate failed (rule R88)."""

import asyncio
import base64
import logging
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from botkeys.sealing.secret import Secret
from botkeys.transport.certificates import tls_context
from botkeys.transport.client import (
    HttpTransport,
    Outbound,
    ProxyFailed,
    ProxyRefused,
    TransportError,
    TransportLimits,
    Untrusted,
)
from botkeys.transport.outbound import OutboundFault, proxy_fault
from tests.support.outward import ForwardProxy, forward_proxy, tls_host
from tests.support.tls_front import Authority, Certificate

HOST = "exchange.test"
PLANTED = "PLANTED-in-a-header"
LIMITS = TransportLimits(connect_timeout=1, read_timeout=0.5, total_timeout=2, attempts=1)


@dataclass(frozen=True)
class Outside:
    authority: Authority
    proxy: ForwardProxy
    port: int

    def outbound(self, login: str = "", **changes: object) -> Outbound:
        given = {"ca_file": self.authority.path, "proxy": Secret(self.proxy.url(login)), **changes}
        return Outbound(**given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "Firm CA")


@pytest.fixture
async def outside(authority: Authority) -> AsyncIterator[Outside]:
    issued = authority.issue("exchange", host=HOST)
    async with (
        tls_host(issued, {"/a": b"{}"}) as port,
        forward_proxy({f"{HOST}:443": port}) as proxy,
    ):
        yield Outside(authority, proxy, port)


async def asked(outbound: Outbound, url: str, headers: Mapping[str, str] | None = None) -> int:
    async with HttpTransport(LIMITS, outbound=outbound) as transport:
        return (await transport.request("GET", url, headers=headers)).status


async def failed(outbound: Outbound, url: str) -> TransportError:
    with pytest.raises(TransportError) as failure:
        await asked(outbound, url)
    assert failure.value.__cause__ is None
    assert failure.value.__context__ is None
    return failure.value


async def test_a_call_through_the_proxy_stays_encrypted_to_the_host(outside: Outside) -> None:
    outbound = outside.outbound("user:p%40ss@")
    assert await asked(outbound, f"https://{HOST}/a", {"X-Key": PLANTED}) == 200
    assert outside.proxy.asked == [f"{HOST}:443"]
    login = base64.b64encode(b"user:p@ss")
    assert b"Proxy-Authorization: Basic " + login in outside.proxy.heads[0]
    assert len(outside.proxy.seen) > 500
    for text in (PLANTED.encode(), login, b"GET /a"):
        assert text not in outside.proxy.seen


@pytest.mark.parametrize(
    ("no_proxy", "goes"),
    [
        ((), ["issuer.test:443"]),
        (("other.test", "uer.test"), ["issuer.test:443"]),
        (("issuer.test",), []),
        (("ISSUER.test",), []),
        ((".test",), []),
        (("test",), []),
    ],
)
async def test_hosts_that_are_named_are_called_directly(
    outside: Outside, no_proxy: tuple[str, ...], goes: list[str]
) -> None:
    await failed(outside.outbound(no_proxy=no_proxy), "https://issuer.test/a")
    assert outside.proxy.asked == goes


def test_networks_are_compared_with_addresses() -> None:
    proxy = Secret("http://proxy.test:3128")
    outbound = Outbound(proxy=proxy, no_proxy=("10.0.0.0/8", "2001:db8::/32", "192.0.2.7"))
    for host in ("10.1.2.3", "2001:db8::1", "[2001:db8::1]", "192.0.2.7"):
        assert outbound.proxy_for("https", host) is None
    for host in ("11.1.2.3", "192.0.2.8", "10.test", "2001:db9::1"):
        assert outbound.proxy_for("https", host) is proxy


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]", "127.9.9.9"])
def test_this_machine_is_never_called_through_the_proxy(host: str) -> None:
    outbound = Outbound(proxy=Secret("http://proxy.test:3128"))
    assert outbound.proxy_for("https", host) is None
    assert outbound.proxy_for("wss", host) is None


def added_by(path: Path) -> str:
    """Return the subject of the authority that a file adds; fail if it loses another one."""

    def names(tls: ssl.SSLContext) -> set[str]:
        return {str(one["subject"]) for one in tls.get_ca_certs()}

    public, both = names(tls_context()), names(Outbound(ca_file=path).tls)
    assert public < both
    (added,) = both - public
    return added


async def test_a_private_authority_is_trusted_beside_the_public_ones(
    authority: Authority,
) -> None:
    async with tls_host(authority.issue("direct"), {"/a": b"{}"}) as port:
        url = f"https://127.0.0.1:{port}/a"
        assert await asked(Outbound(ca_file=authority.path), url) == 200
        refused = await failed(Outbound(), url)
    assert isinstance(refused, Untrusted)
    assert str(refused) == (
        f"Untrusted at 127.0.0.1:{port}: the certificate of 127.0.0.1, “CN=direct” issued by "
        "“CN=Firm CA”, is not accepted: unable to get local issuer certificate. If a private "
        "authority issued it, name that authority's certificate in BOTKEYS_CA_FILE."
    )
    assert not refused.retryable
    assert "Firm CA" in added_by(authority.path)


@asynccontextmanager
async def bad_host(kind: str, authority: Authority) -> AsyncIterator[int]:
    issued = {
        "expired": lambda: authority.issue("old", end=timedelta(hours=-1)),
        "other name": lambda: authority.issue("other", host="127.0.0.9"),
        "self-signed": lambda: Certificate(*_self_signed(authority.path.parent)),
    }[kind]()
    async with tls_host(issued, {}) as port:
        yield port


def _self_signed(folder: Path) -> tuple[Path, Path]:
    alone = Authority(folder, "Alone")
    return alone.path, alone.write_key()


@pytest.mark.parametrize(
    ("kind", "sentences"),
    [
        ("expired", ["“CN=old” issued by “CN=Firm CA”", "certificate has expired on 20"]),
        ("other name", ["“CN=other”", "IP address mismatch", "'127.0.0.1'"]),
        ("self-signed", ["“CN=Alone” issued by “CN=Alone”", "self-signed", "BOTKEYS_CA_FILE"]),
    ],
)
async def test_an_error_says_which_certificate_failed_and_why(
    kind: str, sentences: list[str], authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async with bad_host(kind, authority) as port:
        refused = await failed(Outbound(ca_file=authority.path), f"https://127.0.0.1:{port}/a?b=c")
    assert isinstance(refused, Untrusted)
    (line,) = (each.getMessage() for each in caplog.records if each.name == "botkeys.transport")
    for sentence in sentences:
        assert sentence in str(refused)
        assert sentence in line
    assert ("BOTKEYS_CA_FILE" in line) is (kind == "self-signed")
    assert "b=c" not in line


@pytest.mark.parametrize(
    ("answer", "kind", "cause"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", ProxyRefused, "status 407"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", ProxyRefused, "status 403"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", ProxyFailed, "status 502"),
        (b"220 mail.test ESMTP\r\n\r\n", ProxyFailed, "RemoteProtocolError"),
        (b"", ProxyFailed, "RemoteProtocolError"),
    ],
)
async def test_a_proxy_that_opens_no_way_is_named(
    outside: Outside, answer: bytes, kind: type[ProxyFailed], cause: str
) -> None:
    outside.proxy.answer = answer or b"\r\n\r\n"
    refused = await failed(outside.outbound("user:PLANTED@"), f"https://{HOST}/a")
    assert type(refused) is kind
    assert cause in str(refused)
    assert refused.explanation is not None
    assert "BOTKEYS_HTTPS_PROXY" in refused.explanation
    assert "PLANTED" not in str(refused)


@pytest.mark.parametrize("read_timeout", [0.2, 5])
async def test_a_proxy_that_hangs_is_named_whichever_time_ends_first(
    outside: Outside, read_timeout: float
) -> None:
    outside.proxy.hangs = True
    limits = TransportLimits(read_timeout=read_timeout, total_timeout=0.4, attempts=1)
    async with HttpTransport(limits, outbound=outside.outbound()) as transport:
        with pytest.raises(ProxyFailed):
            await transport.request("GET", f"https://{HOST}/a")


async def test_a_proxy_that_is_not_there_is_named() -> None:
    outbound = Outbound(proxy=Secret("http://user:PLANTED@127.0.0.1:1"))
    refused = await failed(outbound, f"https://{HOST}/a")
    assert type(refused) is ProxyFailed
    assert refused.cause == "ConnectError"


async def test_a_host_s_certificate_is_not_blamed_on_the_proxy(outside: Outside) -> None:
    refused = await failed(outside.outbound(ca_file=None), f"https://{HOST}/a")
    assert isinstance(refused, Untrusted)
    assert f"the certificate of {HOST}" in str(refused)


async def test_a_proxy_may_speak_tls_itself(authority: Authority) -> None:
    issued = authority.issue("exchange", host=HOST)
    async with (
        tls_host(issued, {"/a": b"{}"}) as port,
        forward_proxy({f"{HOST}:443": port}, authority.issue("proxy")) as proxy,
    ):
        secret = Secret(proxy.url("user:pass@", "https"))
        outbound = Outbound(ca_file=authority.path, proxy=secret)
        assert await asked(outbound, f"https://{HOST}/a") == 200
        refused = await failed(Outbound(proxy=secret), f"https://{HOST}/a")
    assert isinstance(refused, Untrusted)
    assert "the certificate of 127.0.0.1, “CN=proxy”" in str(refused)


async def test_one_line_a_minute_says_what_is_wrong(
    outside: Outside, caplog: pytest.LogCaptureFixture
) -> None:
    outside.proxy.answer = b"HTTP/1.1 407 No\r\n\r\n"
    async with HttpTransport(LIMITS, outbound=outside.outbound("user:PLANTED@")) as transport:
        for _ in range(3):
            with pytest.raises(ProxyRefused):
                await transport.request("GET", f"https://{HOST}/a")
    assert [each.levelno for each in caplog.records] == [logging.WARNING]
    assert "PLANTED" not in caplog.text


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "does not exist"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"garbage", "holds no certificate in PEM form"),
        (b"\x30\x82\x01", "holds no certificate in PEM form"),
        (b"-----BEGIN CERTIFICATE-----\nMIIB", "holds no certificate in PEM form"),
        (b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "cannot be read"),
        (b"x" * ((1 << 20) + 1), "has more than 1048576 bytes"),
    ],
)
def test_a_file_of_authorities_that_cannot_be_used_is_named(
    tmp_path: Path, content: bytes | None, fault: str
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OutboundFault, match=fault) as refused:
        Outbound(ca_file=path)
    assert str(refused.value).startswith(f"BOTKEYS_CA_FILE: {path} ")


def test_a_folder_is_no_file_of_authorities(tmp_path: Path) -> None:
    with pytest.raises(OutboundFault, match="is a folder or device"):
        Outbound(ca_file=tmp_path)


def test_a_bundle_may_hold_comments_and_other_blocks(tmp_path: Path, authority: Authority) -> None:
    path = tmp_path / "ca.pem"
    own = authority.path.read_bytes()
    path.write_bytes("# Behörde\n".encode() + own + b"\xff\n" + own.replace(b"\n", b"\r\n"))
    assert "Firm CA" in added_by(path)
    path.write_bytes(own + b"-----BEGIN CERTIFICATE-----\nMII\xff\n")
    with pytest.raises(OutboundFault, match="cut off or damaged"):
        Outbound(ca_file=path)


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("socks5://proxy.test:1080", "must begin with"),
        ("proxy.test:3128", "must begin with"),
        ("http://", "must begin with"),
        ("http://proxy.test:x", "is not a URL"),
        ("http://proxy.test/path", "must not have a path"),
        ("http://proxy.test?q", "must not have a path"),
        ("http://us er:PLANTED@proxy.test", "must be written as %XX"),
        ("http://user:PLANTED%0d%0a@proxy.test", "control characters"),
    ],
)
def test_the_url_of_a_proxy_is_checked_and_never_repeated(url: str, fault: str) -> None:
    assert fault in str(proxy_fault(url))
    with pytest.raises(OutboundFault, match=r"^BOTKEYS_HTTPS_PROXY ") as refused:
        Outbound(proxy=Secret(url))
    assert "PLANTED" not in str(refused.value)


@pytest.mark.parametrize("word", ["*", "*.test", "issuer.test:443", "10.0.0.0/40", "http://x", "."])
def test_words_that_name_no_host_are_refused(word: str) -> None:
    with pytest.raises(OutboundFault, match=r"^BOTKEYS_NO_PROXY "):
        Outbound(proxy=Secret("http://proxy.test"), no_proxy=(word,))


def test_the_sdk_reads_variables_and_takes_empty_ones_as_not_set(authority: Authority) -> None:
    empty = Outbound.of_variables(
        {"BOTKEYS_CA_FILE": "", "BOTKEYS_HTTPS_PROXY": " ", "HTTPS_PROXY": "http://other.test"}
    )
    assert empty.proxy is None
    given = Outbound.of_variables(
        {
            "BOTKEYS_CA_FILE": str(authority.path),
            "BOTKEYS_HTTPS_PROXY": "http://proxy.test:3128",
            "BOTKEYS_NO_PROXY": "a.test, b.test",
        }
    )
    assert given.proxy is not None
    assert given.proxy.reveal() == "http://proxy.test:3128"
    assert given.proxy_for("https", "x.b.test") is None
    assert given.tls is not empty.tls
    with pytest.raises(OutboundFault):
        Outbound.of_variables({"BOTKEYS_CA_FILE": "/nowhere"})


async def test_many_calls_share_their_tunnel(outside: Outside) -> None:
    async with HttpTransport(LIMITS, outbound=outside.outbound()) as transport:
        for _ in range(3):
            assert (await transport.request("GET", f"https://{HOST}/a")).status == 200
        await asyncio.sleep(0)
    assert outside.proxy.asked == [f"{HOST}:443"]

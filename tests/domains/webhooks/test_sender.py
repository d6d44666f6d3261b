"""One attempt: what it connects to, what it sends, and what a receiver can do to it."""

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from email.utils import formatdate
from itertools import count
from time import monotonic, time

import pytest
import pytest_asyncio

from app.domains.webhooks.resolver import Resolver
from app.domains.webhooks.sender import Message, Outcome, Sender, SendError
from app.kit.outbound_guard import Allowed
from tests.support.receiver import Answer, Arrived, Receiver, hang, receiver, status
from tests.support.tls_front import Authority, Certificate

HOST = "hooks.example.com"
LOOPBACK = Allowed.of(("127.0.0.0/8", "::1"))
MESSAGE = Message([("Content-Type", "application/json")], b'{"type": "bot.offline"}')


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "Receivers")


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> Certificate:
    return authority.issue("right", host=HOST)


@pytest.fixture(scope="module")
def tls(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority.path))


@pytest_asyncio.fixture
async def hooks(certificate: Certificate) -> AsyncIterator[Receiver]:
    async with receiver(certificate) as running:
        yield running


def resolving(*addresses: str) -> Resolver:
    return Resolver(lambda _host, _port: list(addresses))


def sender(
    tls: ssl.SSLContext,
    *addresses: str,
    allowed: Allowed = LOOPBACK,
    seconds: float = 10,
) -> Sender:
    return Sender(tls, allowed, resolving(*(addresses or ("127.0.0.1",))), seconds=seconds)


def url(hooks: Receiver, path: str = "/hook", host: str = HOST) -> str:
    return f"https://{host}:{hooks.port}{path}"


async def test_a_message_arrives_over_tls_for_the_name_of_the_host(
    hooks: Receiver, tls: ssl.SSLContext
) -> None:
    outcome = await sender(tls).send(url(hooks, "/a/b?token=c%20d"), MESSAGE)
    assert outcome == Outcome(200, None)
    (arrived,) = hooks.arrived
    assert (arrived.path, arrived.body, arrived.sni) == ("/a/b?token=c%20d", MESSAGE.body, HOST)
    assert arrived.headers["host"] == f"{HOST}:{hooks.port}"
    assert arrived.headers["content-type"] == "application/json"
    assert "cookie" not in arrived.headers


async def test_no_connection_is_made_if_one_address_of_a_name_is_refused(
    hooks: Receiver, tls: ssl.SSLContext
) -> None:
    """R96."""
    outside = sender(tls, "127.0.0.1", allowed=Allowed())
    mixed = sender(tls, "127.0.0.1", "169.254.169.254")
    mapped = sender(tls, "::ffff:127.0.0.1")
    for one in (outside, mixed, mapped):
        assert await one.send(url(hooks), MESSAGE) == Outcome(None, SendError.ADDRESS_REFUSED)
    assert hooks.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "localhost", "[::1]", "127.1"])
async def test_a_literal_is_judged_before_anything_is_looked_up(
    hooks: Receiver, tls: ssl.SSLContext, host: str
) -> None:
    outcome = await sender(tls, allowed=Allowed()).send(url(hooks, host=host), MESSAGE)
    assert outcome == Outcome(None, SendError.ADDRESS_REFUSED)
    assert hooks.connections == 0


async def test_plain_http_goes_only_where_the_operator_allows_it(tls: ssl.SSLContext) -> None:
    async with receiver() as plain:
        named = Allowed.of((HOST,))
        address = f"http://{HOST}:{plain.port}/hook"
        refused = await sender(tls).send(address, MESSAGE)
        assert refused == Outcome(None, SendError.ADDRESS_REFUSED)
        assert plain.connections == 0
        assert await sender(tls, allowed=named).send(address, MESSAGE) == Outcome(200, None)


async def test_a_name_that_leads_elsewhere_a_moment_later_is_not_followed(
    hooks: Receiver, tls: ssl.SSLContext
) -> None:
    asked = count()

    def rebinding(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"] if next(asked) == 0 else ["169.254.169.254"]

    one = Sender(tls, LOOPBACK, Resolver(rebinding))
    assert await one.send(url(hooks), MESSAGE) == Outcome(200, None)
    assert next(asked) == 1  # asked once for check and connection
    assert await one.send(url(hooks), MESSAGE) == Outcome(None, SendError.ADDRESS_REFUSED)


async def test_the_next_address_is_tried_where_nothing_listens(
    hooks: Receiver, tls: ssl.SSLContext
) -> None:
    outcome = await sender(tls, "::1", "127.0.0.1").send(url(hooks), MESSAGE)
    assert outcome == Outcome(200, None)


async def test_what_is_wrong_with_a_connection_is_named(
    hooks: Receiver, tls: ssl.SSLContext, authority: Authority
) -> None:
    other = await sender(tls).send(url(hooks, host="other.example.com"), MESSAGE)
    unknown = await sender(ssl.create_default_context()).send(url(hooks), MESSAGE)
    assert other.error is unknown.error is SendError.CERTIFICATE_REJECTED
    ended = authority.issue("ended", host=HOST, end=timedelta(days=-1))
    async with receiver(ended) as late, receiver() as plain:
        expired = await sender(tls).send(url(late), MESSAGE)
        assert expired.error is SendError.CERTIFICATE_REJECTED
        closed = plain.port
        # Plain text where a handshake should be: the receiver waits for the end of a head.
        bare = await sender(tls, seconds=0.5).send(url(plain), MESSAGE)
        assert bare.error in {SendError.TLS_FAILED, SendError.TIMED_OUT}
    refused = await sender(tls).send(f"https://{HOST}:{closed}/hook", MESSAGE)
    assert refused == Outcome(None, SendError.CONNECTION_FAILED)
    assert hooks.arrived == []


async def test_a_name_without_addresses_is_no_more_than_a_failure(tls: ssl.SSLContext) -> None:
    def unknown(_host: str, _port: int) -> list[str]:
        raise OSError("not known")

    outcome = await Sender(tls, LOOPBACK, Resolver(unknown)).send(f"https://{HOST}/", MESSAGE)
    assert outcome == Outcome(None, SendError.NAME_NOT_RESOLVED)


@pytest.mark.parametrize("code", [200, 201, 204, 299])
async def test_any_2xx_is_success(hooks: Receiver, tls: ssl.SSLContext, code: int) -> None:
    hooks.answers["/hook"] = status(code, body=b"")
    assert await sender(tls).send(url(hooks), MESSAGE) == Outcome(code, None)


@pytest.mark.parametrize("code", [301, 302, 307, 308])
async def test_a_redirect_is_a_failure_that_is_not_followed(
    hooks: Receiver, tls: ssl.SSLContext, code: int
) -> None:
    hooks.answers["/hook"] = status(code, "Location: http://169.254.169.254/latest/meta-data")
    hooks.answers["/again"] = status(code, f"Location: {url(hooks)}")
    for path in ("/hook", "/again"):
        outcome = await sender(tls).send(url(hooks, path), MESSAGE)
        assert outcome == Outcome(code, SendError.REDIRECTED)
    assert [one.path for one in hooks.arrived] == ["/hook", "/again"]


async def test_a_receiver_says_when_it_wants_to_be_called_again(
    hooks: Receiver, tls: ssl.SSLContext
) -> None:
    wishes = {"120": 120.0, formatdate(time() + 100, usegmt=True): 100.0, "soon": None, "-1": None}
    for text, seconds in wishes.items():
        hooks.answers["/hook"] = status(503, f"Retry-After: {text}")
        outcome = await sender(tls).send(url(hooks), MESSAGE)
        assert outcome[:2] == (503, SendError.UNEXPECTED_STATUS)
        assert outcome.retry_after == (seconds and pytest.approx(seconds, abs=5))
    hooks.answers["/hook"] = status(500, "Retry-After: 120")
    assert (await sender(tls).send(url(hooks), MESSAGE)).retry_after is None


def raw(*pieces: bytes, pause: float = 0, forever: bool = False) -> Answer:
    """Return what answers with these bytes, again and again if it is forever."""

    async def answer(_: Arrived, writer: asyncio.StreamWriter) -> None:
        while True:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause)
            if not forever:
                return

    return answer


HEAD = b"HTTP/1.1 200 So\r\n"
LIARS: dict[str, tuple[Answer, SendError]] = {
    "garbage": (raw(b"\x00\xff" * 50 + b"\r\n\r\n"), SendError.ANSWER_INVALID),
    "not HTTP": (raw(b"SSH-2.0-OpenSSH\r\n\r\n"), SendError.ANSWER_INVALID),
    "no answer": (raw(b""), SendError.ANSWER_INVALID),
    "half a head": (raw(HEAD + b"X: "), SendError.ANSWER_INVALID),
    "endless headers": (
        raw(b"HTTP/1.1 200 So\r\n" + b"X: 1\r\n" * 999, *[b"X: 1\r\n" * 999] * 20),
        SendError.ANSWER_INVALID,
    ),
    "one endless header": (raw(HEAD + b"X: ", *[b"x" * 4096] * 40), SendError.ANSWER_INVALID),
    "interim answers": (
        raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 99, forever=True),
        SendError.ANSWER_INVALID,
    ),
    "another protocol": (
        raw(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
        SendError.ANSWER_INVALID,
    ),
    "a slow head": (raw(b"H", pause=0.05, forever=True), SendError.TIMED_OUT),
    "silence": (hang, SendError.TIMED_OUT),
}


@pytest.mark.parametrize(("answer", "error"), LIARS.values(), ids=LIARS.keys())
async def test_an_answer_that_is_none_is_a_failure_within_bounds(
    hooks: Receiver, tls: ssl.SSLContext, answer: Answer, error: SendError
) -> None:
    hooks.answers["/hook"] = answer
    begun = monotonic()
    seconds = 0.3 if error is SendError.TIMED_OUT else 20
    outcome = await sender(tls, seconds=seconds).send(url(hooks), MESSAGE)
    assert outcome.error is error
    assert monotonic() - begun < 10


CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
BODIES: dict[str, Answer] = {
    "huge": raw(HEAD + b"Content-Length: 99999999999\r\n\r\n", *[b"x" * 65_536] * 999),
    "endless": raw(CHUNKED, *[b"ffff\r\n" + b"x" * 65_535 + b"\r\n"] * 999),
    "cut off": raw(HEAD + b"Content-Length: 100\r\n\r\nx"),
    "broken": raw(CHUNKED + b"zz\r\n"),
    "a bomb": raw(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip!"),
    "slow": raw(HEAD + b"Content-Length: 100\r\n\r\n", *[b"x"] * 100, pause=0.1),
}


@pytest.mark.parametrize("answer", BODIES.values(), ids=BODIES.keys())
async def test_the_body_of_an_answer_changes_nothing(
    hooks: Receiver, tls: ssl.SSLContext, answer: Answer
) -> None:
    hooks.answers["/hook"] = answer
    begun = monotonic()
    assert await sender(tls).send(url(hooks), MESSAGE) == Outcome(200, None)
    assert monotonic() - begun < 8


async def test_a_slow_name_server_holds_up_nobody_else(
    hooks: Receiver, tls: ssl.SSLContext
) -> None:
    hung = threading.Event()

    def look_up(host: str, _port: int) -> list[str]:
        if host != HOST:
            hung.wait(30)
        return ["127.0.0.1"]

    shared = Resolver(look_up)
    one = Sender(tls, LOOPBACK, shared, seconds=0.3)
    slow = [one.send(f"https://slow-{number}.example/", MESSAGE) for number in range(60)]
    alike = [one.send("https://slow-0.example/", MESSAGE) for _ in range(60)]
    try:
        waiting = asyncio.gather(*slow, *alike)
        assert await Sender(tls, LOOPBACK, shared).send(url(hooks), MESSAGE) == Outcome(200, None)
        assert {outcome.error for outcome in await waiting} == {SendError.TIMED_OUT}
        assert len(shared._pending) == 60  # one look-up for each name, for all that ask
    finally:
        hung.set()


def test_nothing_that_is_sent_is_in_a_text_that_may_be_logged() -> None:
    assert repr(Message([("X", "secret")], b"secret")) == "Message()"

"""Bounds on what a connection may send and hold before anybody is authenticated, on raw sockets."""

import asyncio
import json
import logging
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.server import ServerState

from app.api.streaming import CONNECTION
from app.process.connections import REFUSED_AT_ONCE
from app.process.http_protocol import HEAD_BYTES, LINGER_BYTES, PIECE_BYTES, PIPELINED, HttpProtocol
from tests.support.http_server import (
    LONG,
    PATIENCE,
    QUICK,
    Client,
    HttpServer,
    connections,
    http_server,
)

HEAD = b"GET / HTTP/1.1\r\nHost: here\r\n"
POST = b"POST /read HTTP/1.1\r\nHost: here\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer at once, or as the path says: `read` the body, say whether it is `here`, `wait`,
    `stream`.
    """
    headers = dict(scope["headers"])
    body = b"%d" % len(scope["headers"])
    if scope["path"] == "/read":
        parts = []
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            parts.append(message["body"])
            if not message["more_body"]:
                break
        body = b"".join(parts)
    elif scope["path"] == "/here":
        body = b"%d" % scope[CONNECTION].body_is_here
    elif scope["path"] == "/wait":
        await asyncio.sleep(0.7)
    start = {"type": "http.response.start", "status": 200, "headers": []}
    if scope["path"] == "/stream":
        await send(start)
        for number in range(4):
            await send({"type": "http.response.body", "body": b"%d" % number, "more_body": True})
            await asyncio.sleep(0.2)
        await send({"type": "http.response.body", "body": b"end"})
        return
    if "authorization" in headers:
        body = b"authorized"
    start["headers"] = [(b"content-length", b"%d" % len(body))]
    await send(start)
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def patient() -> Iterator[HttpServer]:
    with http_server(application, connections(LONG)) as running:
        yield running


@pytest.fixture(scope="module")
def quick() -> Iterator[HttpServer]:
    with http_server(application, connections(QUICK)) as running:
        yield running


def refused(client: Client, status: int, code: str) -> None:
    """Check that the next response is this problem, and the connection's last."""
    answer = client.answer()
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"
    assert answer.json["code"] == code
    assert answer.json["request_id"]
    assert client.ends()
    client.close()


@pytest.mark.parametrize(
    ("pieces", "here"),
    [
        pytest.param((b"Content-Length: 2\r\n\r\nab",), b"1", id="with the head"),
        pytest.param((b"Content-Length: 2\r\n\r\n", b"ab"), b"0", id="after the head"),
        pytest.param((b"Content-Length: 2\r\n\r\na", b"b"), b"0", id="in parts"),
        pytest.param((b"\r\n",), b"1", id="none"),
        pytest.param(
            (b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", b"0\r\n\r\n"), b"0", id="chunks"
        ),
    ],
)
def test_an_application_knows_whether_a_body_has_to_be_waited_for(
    patient: HttpServer, pieces: tuple[bytes, ...], here: bytes
) -> None:
    client = patient.connect()
    first, *rest = pieces
    client.send(b"POST /here HTTP/1.1\r\nHost: here\r\n" + first)
    assert client.answer().body == here
    client.send(*rest)
    client.close()


def test_a_head_of_exactly_the_limit_is_read(patient: HttpServer) -> None:
    client = patient.connect()
    filler = HEAD_BYTES - len(HEAD) - len(b"X: \r\n\r\n")
    client.send(HEAD + b"X: " + b"x" * filler + b"\r\n\r\n")
    assert client.answer().status == 200
    assert client.get().status == 200


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(HEAD + b"X: ", id="one header"),
        pytest.param(HEAD + b"a:\r\n" * HEAD_BYTES, id="many headers"),
        pytest.param(b"GET /", id="address"),
        pytest.param(HEAD, id="a header's name"),
        pytest.param(b"\r\n" * HEAD_BYTES, id="empty lines"),
    ],
)
@pytest.mark.parametrize("size", [1, 20])
def test_a_larger_head_is_refused(patient: HttpServer, head: bytes, size: int) -> None:
    """R34: 431, and what comes after it is not read."""
    client = patient.connect()
    whole = (head + b"x" * HEAD_BYTES)[: HEAD_BYTES * size]
    for start in range(0, len(whole), 10_000):
        client.send(whole[start : start + 10_000])
    refused(client, 431, "request_head_too_large")


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        (b"GRAB / HTTP/1.1\r\nHost: here\r\n\r\n", "method"),
        (b"GET / HTTP/3.7\r\nHost: here\r\n\r\n", "HTTP/1.1"),
        (b"GET / HTTP/1.1\r\n\r\n", "exactly one header `Host`"),
        (HEAD + b"Host: there\r\n\r\n", "exactly one header `Host`"),
        (b"GET /\x01 HTTP/1.1\r\nHost: here\r\n\r\n", "address"),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", "length"),
    ],
)
def test_a_malformed_request_is_answered_with_what_is_wrong_and_logged_by_its_id(
    patient: HttpServer, caplog: pytest.LogCaptureFixture, sent: bytes, sentence: str
) -> None:
    """R34."""
    caplog.set_level(logging.INFO, "botkeys.http")
    client = patient.connect()
    client.send(sent)
    answer = client.answer()
    assert (answer.status, answer.json["code"]) == (400, "malformed_request")
    assert sentence in answer.json["detail"]
    lines = [json.loads(record.getMessage()) for record in caplog.records]
    (line,) = [line for line in lines if line["request_id"] == answer.json["request_id"]]
    assert (line["status"], line["code"]) == (400, "malformed_request")
    assert line["address"] == "127.0.0.1"


def test_a_larger_head_behind_another_request_is_refused(patient: HttpServer) -> None:
    """R34: however the pieces are cut."""
    for size, status in ((HEAD_BYTES - 100, 200), (HEAD_BYTES, 431), (3 * HEAD_BYTES, 431)):
        client = patient.connect()
        body = b"x" * 20_000
        first = POST + b"Content-Length: 20000\r\n\r\n" + body
        client.send(first + HEAD + b"X: " + b"x" * size + b"\r\n\r\n")
        assert client.answer().body == body
        assert client.answer().status == status


def test_200_mib_of_headers_cost_nothing(patient: HttpServer) -> None:
    """R34: as one header they took 111 seconds of processor time."""
    client = patient.connect()
    client.send(HEAD + b"X: ")
    piece = b"x" * (1024 * 1024)
    began, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(OSError):  # noqa: PT011, PT012  # reset, or a broken pipe
        for _ in range(200):
            client.send(piece)
    assert time.process_time() - began < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 20 * 1024


@pytest.mark.parametrize(
    "sent",
    [
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde",
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        HEAD + b"Content-Length: 5, 5\r\n\r\nabcde",
        HEAD + b"Content-Length: +5\r\n\r\nabcde",
        HEAD + b"Content-Length: 0x5\r\n\r\nabcde",
        HEAD + b"Content-Length : 5\r\n\r\nabcde",
        HEAD + b"Content-Length: 99999999999999999999\r\n\r\n",
        HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"X: a\r\n b\r\n\r\n",
        HEAD + b"X: a\rY: b\r\n\r\n",
        HEAD + b"X: a\nY: b\r\n\r\n",
        HEAD + b"X: a\x00b\r\n\r\n",
        HEAD + b"X y: a\r\n\r\n",
        HEAD + b": a\r\n\r\n",
        b"GET / HTTP/1.1\nHost: here\n\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/0.9\r\nHost: here\r\n\r\n",
        b"GET / HTTP/1.2\r\nHost: here\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: here\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT there:443 HTTP/1.1\r\nHost: there:443\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a/b@c\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: here\r\n\r\n",
        b"G\x01T / HTTP/1.1\r\nHost: here\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        CHUNKED + b"1\nX\r\n0\r\n\r\n",
        CHUNKED + b"1;a=b\nX\r\n0\r\n\r\n",
        CHUNKED + b"g\r\n",
        CHUNKED + b"fffffffffffffffff\r\n",
        CHUNKED + b"1\r\nXX\r\n0\r\n\r\n",
    ],
)
def test_what_another_server_might_read_differently_is_refused(
    patient: HttpServer, sent: bytes
) -> None:
    """R35: nothing after it is taken for a request."""
    client = patient.connect()
    client.send(sent + HEAD + b"\r\n")
    refused(client, 400, "malformed_request")


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET http://here/ HTTP/1.1\r\nHost: here\r\n\r\n",
        b"\r\nGET / HTTP/1.1\r\nhOST: [::1]:8000\r\n\r\n",
        CHUNKED.replace(b"chunked", b"Chunked ") + b"0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost:\there.example:8000 \r\n\r\n",
    ],
)
def test_other_forms_of_a_request_are_read(patient: HttpServer, sent: bytes) -> None:
    client = patient.connect()
    client.send(sent)
    assert client.answer().status == 200


def test_a_byte_at_a_time_is_read(patient: HttpServer) -> None:
    client = patient.connect()
    whole = CHUNKED + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
    client.send(*(whole[place : place + 1] for place in range(len(whole))))
    assert client.answer().body == b"abcde"


def test_trailers_are_dropped(patient: HttpServer) -> None:
    """R35: a proxy that checks headers does not see trailers."""
    client = patient.connect()
    client.send(CHUNKED + b"1\r\nX\r\n0\r\nAuthorization: Bearer x\r\nHost: other\r\n\r\n")
    assert client.answer().body == b"X"
    assert client.get().status == 200


@pytest.mark.parametrize(
    "framing",
    [
        pytest.param(b"0\r\n" + b"A: b\r\n" * 20_000, id="trailers"),
        pytest.param(b"0\r\nA: " + b"b" * 100_000, id="one trailer"),
        pytest.param(b"1;" + b"a=b;" * 25_000, id="extensions of a chunk"),
        pytest.param(b"0" * 100_000, id="digits of a size"),
        pytest.param(b"1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nX\r\n" * 3_000, id="small chunks"),
    ],
)
def test_a_body_has_no_more_framing_than_a_head(patient: HttpServer, framing: bytes) -> None:
    """R34."""
    client = patient.connect()
    client.send(CHUNKED + framing)
    refused(client, 400, "malformed_request")


def test_a_body_in_small_chunks_is_read(patient: HttpServer) -> None:
    client = patient.connect()
    client.send(CHUNKED + b"1\r\nX\r\n" * 50_000 + b"0\r\n\r\n")
    assert client.answer().body == b"X" * 50_000


def test_pipelined_requests_are_answered_in_order_up_to_a_bound(patient: HttpServer) -> None:
    """R34: further ones are not read, and the last answer says so."""
    client = patient.connect()
    body = [POST + b"Content-Length: 2\r\n\r\n%02d" % number for number in range(PIPELINED)]
    client.send(b"".join(body))
    assert [client.answer().body for _ in body] == [b"%02d" % number for number in range(PIPELINED)]
    assert client.get().status == 200

    client.send((HEAD + b"\r\n") * 5_000)
    answers = [client.answer() for _ in range(PIPELINED + 1)]
    assert answers[-2].headers.get("connection") is None
    assert answers[-1].headers["connection"] == "close"
    assert client.ends()


def test_a_refusal_waits_for_the_answers_before_it(patient: HttpServer) -> None:
    client = patient.connect()
    client.send(b"GET /wait HTTP/1.1\r\nHost: here\r\n\r\n" + HEAD + b"\r\n" + b"nonsense\r\n")
    assert client.answer().status == 200
    assert client.answer().status == 200
    refused(client, 400, "malformed_request")


def test_a_request_to_upgrade_is_answered_without_one(patient: HttpServer) -> None:
    """R35: what follows it is of an unknown protocol."""
    client = patient.connect()
    client.send(HEAD + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + HEAD + b"\r\n")
    answer = client.answer()
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert client.ends()


@pytest.mark.parametrize("sent", [b"", HEAD + b"X: "])
def test_a_head_that_does_not_come_ends_the_connection(quick: HttpServer, sent: bytes) -> None:
    """R34: silence is answered with silence."""
    client = quick.connect()
    began = time.monotonic()
    client.send(sent)
    if sent:
        refused(client, 408, "request_timeout")
    else:
        assert client.ends()
    assert time.monotonic() - began < PATIENCE / 2


def test_a_head_that_comes_slowly_has_one_time_for_all(quick: HttpServer) -> None:
    """R34: each byte does not start it again, on a new connection or a later head."""
    for served in (False, True):
        client = quick.connect()
        if served:
            assert client.get().status == 200
        began = time.monotonic()
        with pytest.raises(OSError):  # noqa: PT011, PT012  # whatever the kernel says
            for number in range(200):
                client.send(HEAD[number : number + 1] or b"x", pause=0.02)
        assert 0.4 < time.monotonic() - began < 3


def test_an_idle_connection_is_closed_without_a_word(quick: HttpServer) -> None:
    client = quick.connect()
    assert client.get().status == 200
    assert client.ends()


def test_an_answer_and_a_stream_may_last(quick: HttpServer) -> None:
    """R34: no time for requests cuts an answer."""
    client = quick.connect()
    assert client.get("/wait").status == 200
    assert client.get("/stream").headers["transfer-encoding"] == "chunked"
    streamed = client.rest()
    assert streamed == b"".join(b"1\r\n%d\r\n" % number for number in range(4)) + (
        b"3\r\nend\r\n0\r\n\r\n"
    )


def test_a_body_may_take_its_time_between_pieces(quick: HttpServer) -> None:
    client = quick.connect()
    pieces = [b"x" * PIECE_BYTES] * 6
    length = b"%d" % (6 * PIECE_BYTES)
    client.send(POST + b"Content-Length: " + length + b"\r\n\r\n", *pieces, pause=0.1)
    assert client.answer().body == b"".join(pieces)


def test_a_body_that_only_drips_ends_the_request(quick: HttpServer) -> None:
    """R34: a byte now and then does not keep a connection."""
    client = quick.connect()
    began = time.monotonic()
    with suppress(OSError):  # the answer may come, and the end with it, while it is sending
        client.send(POST + b"Content-Length: 100\r\n\r\n", *[b"x"] * 12, pause=0.1)
    refused(client, 408, "request_timeout")
    assert time.monotonic() - began < PATIENCE / 2


@pytest.mark.parametrize("sent", [POST + b"Content-Length: 6\r\n\r\nabc", CHUNKED + b"6\r\nabc"])
def test_a_body_that_stops_ends_the_request(quick: HttpServer, sent: bytes) -> None:
    """R34."""
    client = quick.connect()
    client.send(sent)
    refused(client, 408, "request_timeout")


def test_an_unread_body_is_not_read_after_the_answer(patient: HttpServer) -> None:
    """R34: the answer arrives, says that it is the last, and a little more is dropped."""
    client = patient.connect()
    client.send(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 1000000000\r\n\r\n")
    answer = client.answer()
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert client.ends()
    sent = 0
    with pytest.raises(OSError):  # noqa: PT011, PT012  # whatever the kernel says
        while sent < 100 * LINGER_BYTES:
            client.send(b"x" * 65536)
            sent += 65536


def test_the_answer_is_not_lost_to_a_client_that_is_still_sending(patient: HttpServer) -> None:
    """R34: closing a socket with unread data would reset it."""
    client = patient.connect()
    body = b"x" * (LINGER_BYTES // 2)
    client.send(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n" % len(body))
    client.send(body)
    assert client.answer().status == 200
    assert client.ends()


def test_a_peer_that_does_not_close_its_side_is_not_waited_for(quick: HttpServer) -> None:
    quick.until_open(0)
    client = quick.connect()
    client.send(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n\r\n")
    assert client.answer().headers["connection"] == "close"
    quick.until_open(0)


def test_connections_are_limited_in_all() -> None:
    """R34: a place becomes free when one ends."""
    with http_server(application, connections(most=4, trusted="127.0.0.1")) as server:
        held = [server.connect() for _ in range(4)]
        assert [client.get().status for client in held] == [200] * 4
        refused(server.connect(), 503, "unavailable")
        held[0].close()
        server.until_open(3)
        assert server.connect().get().status == 200


def test_connections_of_one_address_are_limited() -> None:
    """R34: others are served meanwhile."""
    with http_server(application, connections(most_per_address=3)) as server:
        held = [server.connect() for _ in range(3)]
        assert [client.get().status for client in held] == [200] * 3
        refused(server.connect(), 429, "too_many_connections")
        with socket.create_connection(
            server.address, PATIENCE, source_address=("127.0.0.2", 0)
        ) as other:
            other.sendall(HEAD + b"\r\n")
            assert other.recv(1000).startswith(b"HTTP/1.1 200 ")
        held[0].close()
        server.until_open(2)
        assert server.connect().get().status == 200


def test_one_address_never_takes_all_places() -> None:
    """R34."""
    with http_server(application, connections(most=8, most_per_address=100)) as server:
        held = [server.connect() for _ in range(4)]
        assert [client.get().status for client in held] == [200] * 4
        refused(server.connect(), 429, "too_many_connections")


def test_a_flood_of_refused_connections_holds_no_descriptors() -> None:
    """R34: those beyond a few are closed without a word."""
    with http_server(application, connections(most=2, trusted="127.0.0.1")) as server:
        held = [server.connect() for _ in range(2)]
        assert [client.get().status for client in held] == [200] * 2
        flood = [server.connect() for _ in range(REFUSED_AT_ONCE + 20)]
        server.until_open(2 + REFUSED_AT_ONCE)
        assert sum(client.rest().startswith(b"HTTP/1.1 503 ") for client in flood) == (
            REFUSED_AT_ONCE
        )
        assert held[0].get().status == 200


def test_forwarding_headers_of_a_stranger_are_warned_of_once() -> None:
    request = HEAD + b"X-Forwarded-For: 192.0.2.1\r\n\r\n"
    for trusted, expected in (("", ["127.0.0.1"]), ("127.0.0.1", [])):
        with (
            capture_logs() as lines,
            http_server(application, connections(trusted=trusted)) as server,
        ):
            for _ in range(2):
                client = server.connect()
                client.send(request)
                assert client.answer().status == 200
        warned = [line for line in lines if line["event"] == "forwarding_headers_ignored"]
        assert [line["address"] for line in warned] == expected


class Recorder(asyncio.Transport):
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.written: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def write_eof(self) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass


async def writes_of(request: bytes, parts: list[bytes]) -> list[bytes]:
    """Return the single writes of a response whose body has these parts."""

    async def answer(_scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"%d" % sum(map(len, parts)))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for part in parts:
            await asyncio.sleep(0)
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    config = uvicorn.Config(answer, ws="none", lifespan="off", log_config=None, access_log=False)
    config.load()
    protocol = HttpProtocol(config, ServerState(), {}, connections=connections())
    transport = Recorder()
    protocol.connection_made(transport)
    protocol.data_received(request)
    await asyncio.gather(*protocol.tasks)
    protocol.connection_lost(None)
    return [written for written in transport.written if written]


async def test_head_and_body_are_one_write() -> None:
    """Each write is a call of the system, and a short answer costs little more than one."""
    get = HEAD + b"\r\n"
    assert [len(one.partition(b"\r\n\r\n")[2]) for one in await writes_of(get, [b"short"])] == [5]
    first, second = await writes_of(get, [b"first", b"second"])
    assert first.endswith(b"\r\n\r\nfirst")
    assert second == b"second"
    head, body = await writes_of(get, [b"x" * (HIGH_WATER_LIMIT + 1)])
    assert head.endswith(b"\r\n\r\n")
    assert len(body) == HIGH_WATER_LIMIT + 1


async def test_a_head_without_a_body_is_written_too() -> None:
    (head,) = await writes_of(HEAD.replace(b"GET", b"HEAD") + b"\r\n", [])
    assert head.endswith(b"\r\n\r\n")
    (head,) = await writes_of(HEAD + b"\r\n", [])
    assert head.endswith(b"\r\n\r\n")


def test_paced_requests_that_come_at_once_are_read_a_few_at_a_time_and_others_before_them() -> None:
    """Rule R102."""
    began: list[str] = []

    def keep_the_loop_busy() -> None:
        time.sleep(0.3)

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        began.append(scope["path"])
        if scope["path"] == "/busy":
            keep_the_loop_busy()  # what arrives meanwhile is read in one round
        await application(scope, receive, send)

    shared = connections(most=400, most_per_address=200, paced=(b"GET /paced",))
    with http_server(noting, shared) as server:
        many, other = [server.connect() for _ in range(90)], server.connect()
        for client in (*many, other):
            assert client.get().status == 200
        other.send(b"GET /busy HTTP/1.1\r\nHost: here\r\n\r\n")
        time.sleep(0.05)
        for client in many:
            client.send(b"GET /paced?a=1 HTTP/1.1\r\nHost: here\r\n\r\n")
        last = server.connect()
        last.send(b"GET /other HTTP/1.1\r\nHost: here\r\n\r\n")
        assert {client.answer().status for client in (*many, other, last)} == {200}
        assert began[: began.index("/other")].count("/paced") <= len(many) / 2
        assert began.count("/paced") == len(many)
        assert shared.turnstile.waiting == 0


def test_paced_requests_of_callers_that_have_gone_are_not_begun_and_keep_nobody_waiting() -> None:
    """Rule R102: a caller that leaves takes nobody's place."""
    began: list[str] = []

    def keep_the_loop_busy() -> None:
        time.sleep(0.3)

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        began.append(scope["path"])
        if scope["path"] == "/busy":
            keep_the_loop_busy()
        await application(scope, receive, send)

    shared = connections(most=400, most_per_address=200, paced=(b"GET /paced",))
    with http_server(noting, shared) as server:
        many, other, last = (
            [server.connect() for _ in range(90)],
            server.connect(),
            server.connect(),
        )
        for client in (*many, other, last):
            assert client.get().status == 200
        other.send(b"GET /busy HTTP/1.1\r\nHost: here\r\n\r\n")
        time.sleep(0.05)
        for client in many:
            client.send(b"GET /paced HTTP/1.1\r\nHost: here\r\n\r\n")
            client.close()
        last.send(b"GET /paced/last HTTP/1.1\r\nHost: here\r\n\r\n")
        assert {client.answer().status for client in (other, last)} == {200}
        # The first of a turn are begun before it is known that they have gone.
        assert began[: began.index("/paced/last")].count("/paced") < len(many) / 3
        assert shared.turnstile.waiting == 0

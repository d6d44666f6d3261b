"""Keys fetched from an issuer that rotates, hides, delays, lies or crashes."""

import asyncio
import json
from typing import Any

import pytest
from joserfc.jwk import ECKey

from app.auth.errors import IssuerUnavailable, TokenFault, Unauthenticated
from app.auth.remote_keys import KeyTimes, RemoteKeys, is_trustworthy
from app.auth.verifier import TokenVerifier
from botkeys.transport.client import HttpAnswer, HttpTransport
from tests.auth.conftest import (
    AUDIENCE,
    ISSUER,
    Clock,
    LoopbackIssuer,
    claims,
    ec_key,
    public,
    sign,
)


class Remote:
    """A verifier whose keys come from the loopback issuer, on a clock that stands still."""

    def __init__(
        self,
        issuer: LoopbackIssuer,
        transport: HttpTransport,
        clock: Clock,
        times: KeyTimes | None = None,
    ) -> None:
        self.clock = clock
        self.keys = RemoteKeys(transport, jwks_url=issuer.jwks_url, clock=clock, times=times)
        self.verifier = TokenVerifier(
            ISSUER, AUDIENCE, ["ES256"], self.keys, clock=lambda: claims()["iat"]
        )

    async def accepts(self, token: str) -> bool:
        return (await self.verifier.verify(token)).subject == "alice"

    async def fault(self, token: str) -> TokenFault:
        with pytest.raises(Unauthenticated) as refusal:
            await self.verifier.verify(token)
        return refusal.value.fault

    async def unavailable(self, token: str) -> IssuerUnavailable:
        with pytest.raises(IssuerUnavailable) as refusal:
            await self.verifier.verify(token)
        return refusal.value


@pytest.fixture
def remote(issuer: LoopbackIssuer, transport: HttpTransport, clock: Clock, key: ECKey) -> Remote:
    issuer.keys = public(key)
    return Remote(issuer, transport, clock)


async def test_keys_are_fetched_at_the_first_token_and_kept_ten_minutes(
    remote: Remote, issuer: LoopbackIssuer, key: ECKey
) -> None:
    assert issuer.asked == []
    for _ in range(5):
        assert await remote.accepts(sign(key, claims()))
    remote.clock.advance(599)
    assert await remote.accepts(sign(key, claims()))
    assert issuer.key_requests == 1
    remote.clock.advance(1)
    assert await remote.accepts(sign(key, claims()))
    assert issuer.key_requests == 2


async def test_fifty_first_tokens_at_once_fetch_once(
    remote: Remote, issuer: LoopbackIssuer, key: ECKey
) -> None:
    token = sign(key, claims())
    assert all(await asyncio.gather(*(remote.accepts(token) for _ in range(50))))
    assert issuer.key_requests == 1


async def test_a_new_key_at_the_issuer_is_found_at_its_first_token(
    remote: Remote, issuer: LoopbackIssuer, key: ECKey
) -> None:
    assert await remote.accepts(sign(key, claims()))
    second = ec_key("two")
    issuer.keys = public(key, second)
    remote.clock.advance(11)
    assert await remote.accepts(sign(second, claims()))
    assert await remote.accepts(sign(key, claims()))
    assert issuer.key_requests == 2


@pytest.mark.parametrize("kid", ["one", None])
async def test_a_new_key_under_the_old_name_or_none_is_found_too(
    issuer: LoopbackIssuer, transport: HttpTransport, clock: Clock, kid: str | None
) -> None:
    first, second = ec_key(kid), ec_key(kid)
    remote = Remote(issuer, transport, clock)
    issuer.keys = public(first)
    assert await remote.accepts(sign(first, claims()))
    issuer.keys = public(second)
    remote.clock.advance(11)
    assert await remote.accepts(sign(second, claims()))
    assert await remote.fault(sign(first, claims())) is TokenFault.BAD_SIGNATURE


async def test_a_key_that_the_issuer_withdrew_is_refused_within_ten_minutes(
    remote: Remote, issuer: LoopbackIssuer, key: ECKey
) -> None:
    assert await remote.accepts(sign(key, claims()))
    issuer.keys = public(ec_key("two"))
    remote.clock.advance(600)
    assert await remote.fault(sign(key, claims())) is TokenFault.UNKNOWN_KEY


async def test_an_issuer_that_withdraws_every_key_is_believed(
    remote: Remote, issuer: LoopbackIssuer, key: ECKey
) -> None:
    assert await remote.accepts(sign(key, claims()))
    issuer.keys = []
    remote.clock.advance(600)
    assert await remote.fault(sign(key, claims())) is TokenFault.UNKNOWN_KEY


async def test_a_flood_of_invented_key_ids_costs_the_issuer_one_request_in_ten_seconds(
    remote: Remote, issuer: LoopbackIssuer, key: ECKey
) -> None:
    assert await remote.accepts(sign(key, claims()))
    stranger = ec_key("stranger")
    flood = [sign(stranger, claims(), {"kid": f"invented-{number}"}) for number in range(100)]
    for elapsed in (0, 9.9):
        remote.clock.advance(elapsed)
        faults = await asyncio.gather(*(remote.fault(token) for token in flood))
        assert set(faults) == {TokenFault.UNKNOWN_KEY}
    assert issuer.key_requests == 1
    remote.clock.advance(0.2)
    await asyncio.gather(*(remote.fault(token) for token in flood))
    assert issuer.key_requests == 2
    assert await remote.accepts(sign(key, claims()))


async def test_a_flood_of_bad_signatures_costs_the_issuer_no_more(
    remote: Remote, issuer: LoopbackIssuer, key: ECKey
) -> None:
    assert await remote.accepts(sign(key, claims()))
    remote.clock.advance(11)
    forged = sign(ec_key("one"), claims())
    faults = await asyncio.gather(*(remote.fault(forged) for _ in range(100)))
    assert set(faults) == {TokenFault.BAD_SIGNATURE}
    assert issuer.key_requests == 2


async def test_nonsense_never_reaches_the_issuer(remote: Remote, issuer: LoopbackIssuer) -> None:
    for token in ("", "a.b.c", "x" * 9000, "eyJhbGciOiJub25lIn0.e30."):
        await remote.fault(token)
    assert issuer.asked == []


async def test_an_issuer_that_was_never_reached_is_503_and_asked_once_a_second(
    remote: Remote, issuer: LoopbackIssuer, key: ECKey
) -> None:
    issuer.status = 500
    token = sign(key, claims())
    for _ in range(3):
        with pytest.raises(IssuerUnavailable) as refusal:
            await remote.verifier.verify(token)
    assert (refusal.value.status, refusal.value.code) == (503, "unavailable")
    assert refusal.value.headers == {"Retry-After": "1"}
    assert issuer.key_requests == 1
    issuer.status = 200
    remote.clock.advance(1)
    assert await remote.accepts(token)


async def test_a_dead_issuers_last_keys_serve_for_a_day(
    remote: Remote, issuer: LoopbackIssuer, key: ECKey
) -> None:
    token = sign(key, claims())
    assert await remote.accepts(token)
    await issuer.stop()
    remote.clock.advance(86_399)
    assert await remote.accepts(token)
    await remote.unavailable(sign(ec_key("two"), claims()))
    remote.clock.advance(0.9)
    assert await remote.accepts(token)
    remote.clock.advance(0.1)
    with pytest.raises(IssuerUnavailable):
        await remote.verifier.verify(token)


async def test_of_a_dead_issuer_unknown_keys_are_undecided_for_a_minute(
    remote: Remote, issuer: LoopbackIssuer, key: ECKey
) -> None:
    """Rule R43."""
    assert await remote.accepts(sign(key, claims()))
    issuer.status = 503
    remote.clock.advance(11)
    unknown = sign(ec_key("two"), claims())
    refusal = await remote.unavailable(unknown)
    assert refusal.headers["Retry-After"] == "10"
    remote.clock.advance(59)
    await remote.unavailable(unknown)
    remote.clock.advance(2)
    assert await remote.fault(unknown) is TokenFault.UNKNOWN_KEY
    issuer.status = 200
    issuer.keys = public(key, ec_key("three"))
    remote.clock.advance(11)
    assert await remote.fault(unknown) is TokenFault.UNKNOWN_KEY


async def test_a_dead_issuer_is_not_asked_by_every_request(
    remote: Remote, issuer: LoopbackIssuer, key: ECKey
) -> None:
    token = sign(key, claims())
    assert await remote.accepts(token)
    issuer.status = 503
    remote.clock.advance(600)
    for _ in range(10):
        assert await remote.accepts(token)
    assert issuer.key_requests == 2
    remote.clock.advance(10)
    assert await remote.accepts(token)
    assert issuer.key_requests == 3


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>502</html>", b'{"keys": 1}', b"\x00" * 50, b" " * 300_000 + b'{"keys":[]}'],
    ids=["nothing", "html", "no list", "zeros", "too large"],
)
async def test_a_nonsense_answer_leaves_the_last_good_keys(
    remote: Remote, issuer: LoopbackIssuer, key: ECKey, body: bytes
) -> None:
    assert await remote.accepts(sign(key, claims()))
    issuer.body = body
    remote.clock.advance(600)
    assert await remote.accepts(sign(key, claims()))
    assert issuer.key_requests == 2


async def test_while_one_request_renews_the_others_go_on_with_the_old_keys(
    remote: Remote, issuer: LoopbackIssuer, key: ECKey
) -> None:
    token = sign(key, claims())
    assert await remote.accepts(token)
    remote.clock.advance(600)
    issuer.arrived.clear()
    issuer.may_answer.clear()
    renewing = asyncio.ensure_future(remote.accepts(token))
    await issuer.arrived.wait()
    assert await remote.accepts(token)
    assert not renewing.done()
    issuer.may_answer.set()
    assert await renewing


async def test_a_token_of_an_unknown_key_waits_for_the_renewal_under_way(
    remote: Remote, issuer: LoopbackIssuer, key: ECKey
) -> None:
    assert await remote.accepts(sign(key, claims()))
    second = ec_key("two")
    issuer.keys = public(key, second)
    remote.clock.advance(600)
    issuer.arrived.clear()
    issuer.may_answer.clear()
    renewing = asyncio.ensure_future(remote.accepts(sign(key, claims())))
    await issuer.arrived.wait()
    rotated = asyncio.ensure_future(remote.accepts(sign(second, claims())))
    issuer.may_answer.set()
    assert await rotated
    assert await renewing
    assert issuer.key_requests == 2


async def test_a_refresh_tells_whether_the_keys_changed(
    remote: Remote, issuer: LoopbackIssuer, key: ECKey
) -> None:
    assert await remote.keys.refresh()
    remote.clock.advance(11)
    assert not await remote.keys.refresh()
    issuer.keys = public(key, ec_key("two"))
    assert not await remote.keys.refresh()
    remote.clock.advance(11)
    assert await remote.keys.refresh()
    assert issuer.key_requests == 3


async def test_an_issuer_too_slow_is_given_up(
    issuer: LoopbackIssuer, transport: HttpTransport, key: ECKey
) -> None:
    issuer.may_answer.clear()
    keys = RemoteKeys(transport, jwks_url=issuer.jwks_url, times=KeyTimes(fetch=0.05))
    with pytest.raises(IssuerUnavailable):
        await keys.find(key.kid, "ES256")
    assert keys._fetching is None


PATIENCE = 0.02
"""Seconds that a request waits for an issuer that does not answer in a test."""


@pytest.fixture
def slow(issuer: LoopbackIssuer, transport: HttpTransport, clock: Clock, key: ECKey) -> Remote:
    """Provide a verifier of a process whose requests do not wait for long."""
    issuer.keys = public(key)
    return Remote(issuer, transport, clock, KeyTimes(patience=PATIENCE))


@pytest.fixture
def slow_at_first(
    issuer: LoopbackIssuer, transport: HttpTransport, clock: Clock, key: ECKey
) -> Remote:
    issuer.keys = public(key)
    issuer.may_answer.clear()
    times = KeyTimes(patience=PATIENCE, first_patience=PATIENCE)
    return Remote(issuer, transport, clock, times)


async def answered(remote: Remote, issuer: LoopbackIssuer) -> None:
    issuer.may_answer.set()
    assert remote.keys._fetching is not None
    await remote.keys._fetching


async def test_an_unknown_key_is_503_while_keys_are_being_fetched_and_then_decided(
    slow: Remote, issuer: LoopbackIssuer, key: ECKey
) -> None:
    """Rule R43."""
    second = ec_key("two")
    rotated, forged = sign(second, claims()), sign(ec_key("never"), claims())
    assert await slow.accepts(sign(key, claims()))
    issuer.keys = public(key, second)
    slow.clock.advance(11)
    issuer.may_answer.clear()
    for token in (rotated, forged, rotated):
        refusal = await slow.unavailable(token)
        assert int(refusal.headers["Retry-After"]) >= 1
    assert await slow.accepts(sign(key, claims()))
    await answered(slow, issuer)
    assert await slow.accepts(rotated)
    assert await slow.fault(forged) is TokenFault.UNKNOWN_KEY
    assert issuer.key_requests == 2


async def test_a_bad_signature_is_401_while_keys_are_being_fetched(
    slow: Remote, issuer: LoopbackIssuer, key: ECKey
) -> None:
    assert await slow.accepts(sign(key, claims()))
    slow.clock.advance(11)
    issuer.may_answer.clear()
    assert await slow.fault(sign(ec_key("one"), claims())) is TokenFault.BAD_SIGNATURE
    await answered(slow, issuer)


async def test_a_flood_of_invented_key_ids_is_401_most_of_the_time(
    slow: Remote, issuer: LoopbackIssuer, key: ECKey
) -> None:
    """Rule R43."""
    assert await slow.accepts(sign(key, claims()))
    slow.clock.advance(11)
    issuer.may_answer.clear()
    await slow.unavailable(sign(ec_key("invented-1"), claims()))
    await answered(slow, issuer)
    for number in range(9):
        slow.clock.advance(1)
        invented = sign(ec_key(f"invented-{number}"), claims())
        assert await slow.fault(invented) is TokenFault.UNKNOWN_KEY
    assert issuer.key_requests == 2


async def test_an_issuer_slower_than_a_request_waits_is_reached_all_the_same(
    slow_at_first: Remote, issuer: LoopbackIssuer, key: ECKey
) -> None:
    await slow_at_first.unavailable(sign(key, claims()))
    assert not await slow_at_first.keys.reached()
    await answered(slow_at_first, issuer)
    assert await slow_at_first.keys.reached()
    assert await slow_at_first.accepts(sign(key, claims()))
    assert issuer.key_requests == 1


async def test_a_process_that_looks_for_its_issuer_finds_it_without_a_token(
    remote: Remote, issuer: LoopbackIssuer
) -> None:
    issuer.status = 500
    assert not await remote.keys.reached()
    assert not await remote.keys.reached()
    assert issuer.key_requests == 1
    issuer.status = 200
    remote.clock.advance(1)
    assert await remote.keys.reached()


async def test_a_fetch_under_way_ends_with_the_process(slow_at_first: Remote, key: ECKey) -> None:
    await slow_at_first.unavailable(sign(key, claims()))
    await slow_at_first.keys.close()
    assert slow_at_first.keys._fetching is None


async def test_a_caller_that_goes_away_leaves_the_fetch_to_the_next(
    remote: Remote, issuer: LoopbackIssuer, key: ECKey
) -> None:
    token = sign(key, claims())
    issuer.may_answer.clear()
    first = asyncio.ensure_future(remote.accepts(token))
    await issuer.arrived.wait()
    second = asyncio.ensure_future(remote.accepts(token))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    issuer.may_answer.set()
    assert await second


async def test_the_address_of_the_keys_is_discovered(
    issuer: LoopbackIssuer, transport: HttpTransport, key: ECKey
) -> None:
    issuer.keys = public(key)
    keys = RemoteKeys(transport, issuer=issuer.url)
    assert [found.kid for found in await keys.find("one", "ES256")] == ["one"]
    assert issuer.asked == ["/.well-known/openid-configuration", "/jwks"]


async def test_an_issuer_with_a_path_and_a_slash_is_discovered_below_it(
    issuer: LoopbackIssuer, transport: HttpTransport, key: ECKey
) -> None:
    issuer.keys = public(key)
    name = f"{issuer.url}/realms/bots/"
    issuer.discovery = {"issuer": name, "jwks_uri": issuer.jwks_url}
    assert await RemoteKeys(transport, issuer=name).find("one", "ES256")
    assert issuer.asked[0] == "/realms/bots/.well-known/openid-configuration"


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "https://other.example"},
        {"issuer": "URL/"},
        {"issuer": None},
        {"jwks_uri": "http://other.example/jwks"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": None},
        {"jwks_uri": 5},
    ],
)
async def test_a_discovery_document_that_does_not_fit_is_not_followed(
    issuer: LoopbackIssuer, transport: HttpTransport, key: ECKey, changes: dict[str, Any]
) -> None:
    issuer.keys = public(key)
    issuer.discovery = {"issuer": issuer.url, "jwks_uri": issuer.jwks_url} | {
        name: value.replace("URL", issuer.url) if isinstance(value, str) else value
        for name, value in changes.items()
    }
    with pytest.raises(IssuerUnavailable):
        await RemoteKeys(transport, issuer=issuer.url).find("one", "ES256")
    assert issuer.key_requests == 0


class OnlyDiscovery(HttpTransport):
    """Answers the discovery document itself and records every requested address."""

    def __init__(self, jwks_uri: str) -> None:
        super().__init__()
        self.asked: list[str] = []
        self._body = json.dumps({"issuer": ISSUER, "jwks_uri": jwks_uri}).encode()

    async def request(self, method: str, url: str, **_: Any) -> HttpAnswer:
        self.asked.append(f"{method} {url}")
        return HttpAnswer(200, {}, self._body)


@pytest.mark.parametrize("url", ["http://issuer.example/jwks", "file:///etc/passwd", "jwks"])
async def test_discovery_never_leads_to_an_address_that_is_not_https(url: str) -> None:
    async with OnlyDiscovery(url) as transport:
        with pytest.raises(IssuerUnavailable):
            await RemoteKeys(transport, issuer=ISSUER).find("one", "ES256")
        assert transport.asked == [f"GET {ISSUER}/.well-known/openid-configuration"]


async def test_a_discovery_document_that_is_no_object_is_refused(
    issuer: LoopbackIssuer, transport: HttpTransport
) -> None:
    issuer.discovery = ["issuer", "jwks_uri"]
    with pytest.raises(IssuerUnavailable):
        await RemoteKeys(transport, issuer=issuer.url).find("one", "ES256")
    assert issuer.asked == ["/.well-known/openid-configuration"]


async def test_a_given_address_of_the_keys_needs_no_discovery(
    issuer: LoopbackIssuer, transport: HttpTransport, key: ECKey
) -> None:
    issuer.keys = public(key)
    keys = RemoteKeys(transport, issuer=ISSUER, jwks_url=issuer.jwks_url)
    assert await keys.find("one", "ES256")
    assert issuer.asked == ["/jwks"]


@pytest.mark.parametrize(
    ("url", "trusted"),
    [
        ("https://issuer.example", True),
        ("https://issuer.example:8443/realm?x=1", True),
        ("http://127.0.0.1:8080/jwks", True),
        ("http://[::1]/jwks", True),
        ("http://localhost:9000", True),
        ("http://issuer.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("http://localhost.evil.example", False),
        ("https://user:password@issuer.example", False),
        ("https://issuer.example#x", False),
        ("https://", False),
        ("https://[", False),
        ("https://issuer.example:99999", False),
        ("https://issuér.example", False),
        ("ftp://127.0.0.1", False),
        ("file:///etc/passwd", False),
        ("", False),
    ],
)
def test_keys_come_over_https_or_from_this_machine(url: str, *, trusted: bool) -> None:
    assert is_trustworthy(url) is trusted


async def test_an_issuer_that_cannot_be_trusted_is_refused_at_the_start(
    transport: HttpTransport,
) -> None:
    with pytest.raises(ValueError, match="https"):
        RemoteKeys(transport, issuer="http://issuer.example")
    with pytest.raises(ValueError, match="https"):
        RemoteKeys(transport, issuer=ISSUER, jwks_url="http://issuer.example/jwks")
    with pytest.raises(ValueError, match="required"):
        RemoteKeys(transport)

import contextlib
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey

from app.auth.authenticator import authenticate_user, read_bot_token
from app.auth.errors import (
    AccountHeaderMalformed,
    AccountHeaderRequired,
    ActAsNotAllowed,
    TokenFault,
    Unauthenticated,
    WrongTokenKind,
)
from app.auth.headers import read_account_header, read_bearer_token
from app.auth.verifier import TokenVerifier
from app.custody.bot_token import mint
from tests.auth.conftest import claims, patient, sign

Headers = list[tuple[bytes, bytes]]

ACCOUNT, BOT = uuid4(), uuid4()


def bearer(token: str) -> Headers:
    return [(b"host", b"localhost"), (b"authorization", f"Bearer {token}".encode())]


def fault_of(headers: Headers) -> TokenFault:
    with pytest.raises(Unauthenticated) as refusal:
        read_bearer_token(headers)
    return refusal.value.fault


@pytest.mark.parametrize(
    "value", [b"Bearer abc", b"bearer abc", b"BEARER abc", b"Bearer   abc", b" Bearer abc\t"]
)
def test_the_scheme_is_read_in_any_case(value: bytes) -> None:
    assert read_bearer_token([(b"authorization", value)]) == "abc"


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"Bearer",
        b"Bearer ",
        b"abc",
        b"Bearerabc",
        b"Bearer\tabc",
        b"Bearer a b",
        b"Bearer abc,",
        b"Bearer abc, Bearer def",
        b"Basic YTpi",
        b"Basic YTpi, Bearer abc",
        b"Bearer a\x00b",
        b"Bearer abc\n",
        b"Bearer abc\r\nX-Account-Id: bob",
        b"Bearer \xc3\xa9",
        b'Bearer "abc"',
        b"Bearer =abc",
    ],
)
def test_a_header_that_is_not_exactly_one_bearer_token_is_refused(value: bytes) -> None:
    assert fault_of([(b"authorization", value)]) is TokenFault.MALFORMED


def test_two_headers_are_refused_even_if_equal() -> None:
    assert fault_of([(b"authorization", b"Bearer abc")] * 2) is TokenFault.MALFORMED


def test_without_the_header_the_caller_learns_what_to_send() -> None:
    with pytest.raises(Unauthenticated) as refusal:
        read_bearer_token([(b"x-authorization", b"Bearer abc")])
    assert refusal.value.members == {"reason": "missing"}
    assert refusal.value.headers == {"WWW-Authenticate": 'Bearer realm="botkeys"'}


def test_a_huge_header_is_refused_unread() -> None:
    assert fault_of([(b"authorization", b"Bearer " + b"x" * 9000)]) is TokenFault.TOO_LARGE


NOTHING_SENT = {TokenFault.MISSING, TokenFault.NO_SESSION}


@pytest.mark.parametrize("fault", [fault for fault in TokenFault if fault not in NOTHING_SENT])
def test_every_fault_can_stand_in_a_header(fault: TokenFault) -> None:
    error = Unauthenticated(fault)
    value = error.headers["WWW-Authenticate"]
    assert value == (
        f'Bearer realm="botkeys", error="invalid_token", error_description="{error.detail}"'
    )
    assert value.isascii()
    assert value.isprintable()
    assert not set('"\\') & set(error.detail)


def test_the_account_header_is_utf_8_and_sent_once() -> None:
    assert read_account_header([]) is None
    assert read_account_header([(b"x-account-id", "王".encode())]) == "王"
    for headers in (
        [(b"x-account-id", b"alice")] * 2,
        [(b"x-account-id", b"alice"), (b"x-account-id", b"bob")],
        [(b"x-account-id", b"\xe9")],
    ):
        with pytest.raises(AccountHeaderMalformed):
            read_account_header(headers)


async def test_a_user_is_known_by_the_token(verifier: TokenVerifier, key: ECKey) -> None:
    found = await authenticate_user(verifier, bearer(sign(key, claims())))
    assert found.subject == "alice"


async def test_a_service_is_known_by_token_and_header(verifier: TokenVerifier, key: ECKey) -> None:
    headers = bearer(sign(key, claims(sub="billing", scope="act_as")))
    found = await authenticate_user(verifier, [*headers, (b"x-account-id", b"alice")])
    assert (found.subject, found.acting_service) == ("alice", "billing")
    with pytest.raises(AccountHeaderRequired):
        await authenticate_user(verifier, headers)
    with pytest.raises(AccountHeaderMalformed):
        await authenticate_user(verifier, [*headers, (b"x-account-id", b"\xe9")])


@pytest.mark.parametrize("account", [b"alice", b"bob", b"", b"\xe9"])
async def test_a_user_that_names_an_account_is_refused_whatever_the_name(
    verifier: TokenVerifier, key: ECKey, account: bytes
) -> None:
    headers = bearer(sign(key, claims()))
    with pytest.raises(ActAsNotAllowed):
        await authenticate_user(verifier, [*headers, (b"x-account-id", account)])


async def test_a_bad_token_is_401_before_the_account_is_considered(
    verifier: TokenVerifier,
) -> None:
    headers = [*bearer("abc.def.ghi"), (b"x-account-id", b"a"), (b"x-account-id", b"b")]
    with pytest.raises(Unauthenticated):
        await authenticate_user(verifier, headers)


async def test_a_bots_token_is_of_the_wrong_kind_for_a_user(verifier: TokenVerifier) -> None:
    token = mint(ACCOUNT, BOT).reveal()
    with pytest.raises(WrongTokenKind) as refusal:
        await authenticate_user(verifier, bearer(token))
    assert (refusal.value.status, refusal.value.members) == (403, {"expected": "user"})
    with pytest.raises(Unauthenticated):
        await authenticate_user(verifier, bearer(token[:-1]))


def test_a_bots_token_tells_whose_it_says_it_is() -> None:
    token = mint(ACCOUNT, BOT).reveal()
    parsed = read_bot_token(bearer(token))
    assert (parsed.account_id, parsed.bot_id) == (ACCOUNT, BOT)


def test_a_users_token_is_of_the_wrong_kind_for_a_bot(key: ECKey) -> None:
    with pytest.raises(WrongTokenKind) as refusal:
        read_bot_token(bearer(sign(key, claims())))
    assert (refusal.value.status, refusal.value.members) == (403, {"expected": "bot"})


@pytest.mark.parametrize("token", ["abc", "a.b.c", "bkb_x", "e30.e30.e30", "W10.e30.x", "..x"])
def test_nonsense_on_a_bots_route_is_401(token: str) -> None:
    with pytest.raises(Unauthenticated):
        read_bot_token(bearer(token))


names = st.sampled_from([b"authorization", b"x-account-id"])
values = st.binary() | st.binary().map(b"Bearer ".__add__)


@patient
@given(st.lists(st.tuples(names, values), max_size=4))
def test_any_headers_can_be_read(headers: Headers) -> None:
    with contextlib.suppress(Unauthenticated):
        assert read_bearer_token(headers).isascii()
    with contextlib.suppress(AccountHeaderMalformed):
        account = read_account_header(headers)
        assert (account is None) == all(name != b"x-account-id" for name, _ in headers)

import copy
import logging
import pickle
import traceback
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from botkeys.client import (
    BotClient,
    BotClientError,
    CannotOpen,
    Forbidden,
    Forgotten,
    InsecureAddress,
    KeyInactive,
    MalformedAnswer,
    MalformedToken,
    NoKey,
    NotAuthenticated,
    OlderVersion,
    RateLimited,
    Refused,
    ServiceUnavailable,
    Unreachable,
    WrongKey,
)
from botkeys.exchanges.model import Credentials, Environment
from botkeys.sealing.errors import UnknownSuite
from botkeys.sealing.secret import Secret
from botkeys.transport.client import ASGITransport, HttpTransport
from tests.sdk.client.conftest import Service

ADDRESS = "http://127.0.0.1:8000"
suites = pytest.mark.parametrize("suite", ["mlkem768-x25519", "x25519"])

ANOTHER = "01938a5e-0000-7000-8000-00000000000a"


@pytest.fixture
async def client(service: Service, transport: HttpTransport) -> AsyncIterator[BotClient]:
    async with connect(service, transport) as client:
        yield client


def connect(service: Service, transport: HttpTransport, **options: Any) -> BotClient:
    expected = {"key_id": service.binding.key_id, "exchange": "okx", "environment": "testnet"}
    return BotClient(ADDRESS, service.token, transport=transport, **{**expected, **options})


@suites
async def test_the_bot_opens_its_credentials(
    suite: str, service: Service, transport: HttpTransport
) -> None:
    async with connect(service, transport, suite=suite) as client:
        released = await client.credentials()
        assert released.api_key.reveal() == "PLANTED-api-key"
        assert released.api_secret.reveal() == "PLANTED-api-secret"
        assert released.api_passphrase is not None
        assert released.api_passphrase.reveal() == "PLANTED-passphrase"
        assert (released.exchange, released.environment, released.version) == ("okx", "testnet", 3)
        assert released.endpoints.rest == "https://exchange.test"


async def test_an_exchange_without_passphrases_has_none(
    service: Service, client: BotClient
) -> None:
    service.credentials = Credentials(Secret("key"), Secret("secret"))
    assert (await client.credentials()).api_passphrase is None


async def test_a_client_without_expectations_takes_the_key_it_is_given(
    service: Service, transport: HttpTransport
) -> None:
    async with BotClient(ADDRESS, service.token.reveal(), transport=transport) as client:
        assert (await client.credentials()).key_id == service.binding.key_id


async def test_what_is_held_is_not_fetched_again_and_each_fetch_has_its_own_key(
    service: Service, client: BotClient
) -> None:
    first = await client.credentials()
    assert await client.credentials() is first
    assert len(service.public_keys) == 1
    second = await client.credentials(fresh=True)
    assert first.forgotten
    assert not second.forgotten
    assert len(set(service.public_keys)) == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("account_id", ANOTHER),
        ("bot_id", ANOTHER),
        ("key_id", ANOTHER),
        ("exchange", "binance"),
        ("environment", "live"),
        ("suite", "x25519"),
    ],
)
async def test_an_answer_for_another_row_is_refused(
    field: str, value: str, service: Service, client: BotClient
) -> None:
    service.lie = lambda answer: answer.update({field: value})
    with pytest.raises(WrongKey) as caught:
        await client.credentials()
    assert (caught.value.field, caught.value.received) == (field, value)


@pytest.mark.parametrize(
    ("field", "value"), [("key_id", ANOTHER), ("exchange", "binance"), ("version", 4)]
)
async def test_a_relabelled_answer_does_not_open_even_for_a_client_without_expectations(
    field: str, value: object, service: Service, transport: HttpTransport
) -> None:
    service.lie = lambda answer: answer.update({field: value})
    async with BotClient(ADDRESS, service.token, transport=transport) as client:
        with pytest.raises(CannotOpen):
            await client.credentials()


async def test_a_name_too_long_to_be_bound_does_not_open(
    service: Service, transport: HttpTransport
) -> None:
    service.lie = lambda answer: answer.update(exchange="x" * 0x10000)
    async with BotClient(ADDRESS, service.token, transport=transport) as client:
        with pytest.raises(CannotOpen):
            await client.credentials()


@pytest.mark.parametrize("field", ["sealed_data_key", "nonce", "ciphertext"])
@pytest.mark.parametrize("change", ["flip", "empty", "cut"])
async def test_altered_bytes_do_not_open(
    field: str, change: str, service: Service, client: BotClient
) -> None:
    def lie(answer: dict[str, Any]) -> None:
        text = answer[field]
        flipped = ("A" if text[0] != "A" else "B") + text[1:]
        answer[field] = {"flip": flipped, "empty": "", "cut": text[:8]}[change]

    service.lie = lie
    with pytest.raises(CannotOpen):
        await client.credentials()


async def test_an_older_version_is_refused_and_a_newer_one_taken(
    service: Service, client: BotClient
) -> None:
    await client.credentials()
    service.replace_credentials(2)
    with pytest.raises(OlderVersion) as caught:
        await client.credentials(fresh=True)
    assert (caught.value.seen, caught.value.received) == (3, 2)
    service.replace_credentials(4)
    assert (await client.credentials(fresh=True)).version == 4


async def test_a_version_that_never_opened_does_not_lock_the_bot_out(
    service: Service, client: BotClient
) -> None:
    service.lie = lambda answer: answer.update(version=999)
    with pytest.raises(CannotOpen):
        await client.credentials()
    service.lie = lambda _: None
    assert (await client.credentials()).version == 3


async def test_a_restarted_bot_refuses_what_it_knows_to_be_replaced(
    service: Service, transport: HttpTransport
) -> None:
    async with connect(service, transport, minimum_version=4) as client:
        with pytest.raises(OlderVersion):
            await client.credentials()
    with pytest.raises(ValueError, match="key_id"):
        connect(service, transport, minimum_version=4, key_id=None)


async def test_padding_and_unknown_fields_are_taken(service: Service, client: BotClient) -> None:
    def lie(answer: dict[str, Any]) -> None:
        answer["news"] = {"of": ["a", "later", "release"]}
        for field in ("sealed_data_key", "nonce", "ciphertext"):
            answer[field] += "=" * (-len(answer[field]) % 4)

    service.lie = lie
    assert (await client.credentials()).version == 3


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"version": 0}, "version"),
        ({"version": "three"}, "version"),
        ({"nonce": "not base64url!"}, "nonce"),
        ({"ciphertext": 7}, "ciphertext"),
        ({"key_id": "PLANTED"}, "key_id"),
        ({"environment": "mainnet"}, "environment"),
        ({"endpoints": []}, "endpoints"),
    ],
)
async def test_a_malformed_answer_gives_an_error_that_names_the_place_and_quotes_nothing(
    change: dict[str, Any], named: str, service: Service, client: BotClient
) -> None:
    service.lie = lambda answer: answer.update(change)
    with pytest.raises(MalformedAnswer, match=named) as caught:
        await client.credentials()
    assert "PLANTED" not in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b"\xff", b"null", b"[" * 100_000])
async def test_an_answer_that_is_no_object_gives_the_typed_error(
    body: bytes, service: Service, client: BotClient
) -> None:
    service.problem = (200, body, {})
    with pytest.raises(MalformedAnswer):
        await client.credentials()
    with pytest.raises(MalformedAnswer):
        await client.config()
    service.problem = (500, body, {})
    with pytest.raises(Refused) as caught:
        await client.credentials()
    assert caught.value.code == "http_500"


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (401, "unauthenticated", NotAuthenticated),
        (403, "wrong_token_kind", Forbidden),
        (409, "no_key", NoKey),
        (409, "key_inactive", KeyInactive),
        (429, "rate_limited", RateLimited),
        (503, "unavailable", ServiceUnavailable),
        (418, "a_new_code", Refused),
    ],
)
async def test_a_problem_of_the_service_becomes_a_typed_error(
    status: int, code: str, expected: type[Refused], service: Service, client: BotClient
) -> None:
    problem = {"code": code, "detail": "A sentence.", "request_id": "r-1"}
    service.problem = (status, problem, {"Retry-After": "7"})
    for call in (client.credentials, client.config):
        with pytest.raises(expected) as caught:
            await call()
        error = caught.value
        assert type(error) is expected
        assert (error.status, error.code, error.detail) == (status, code, "A sentence.")
        assert (error.request_id, error.retry_after) == ("r-1", 7.0)


async def test_a_stranger_s_text_reaches_no_log_line_whole(
    service: Service, client: BotClient
) -> None:
    service.problem = (502, {"code": 5, "detail": "a\r\nforged line" + "x" * 10_000}, {})
    with pytest.raises(Refused) as caught:
        await client.credentials()
    assert caught.value.code == "http_502"
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


async def test_no_answer_is_a_typed_error_without_the_token_in_any_frame(
    service: Service, with_locals: Callable[[BaseException], str]
) -> None:
    async with HttpTransport() as transport:
        client = BotClient("http://127.0.0.1:9", service.token, transport=transport)
        with pytest.raises(Unreachable) as caught:
            await client.config()
    assert caught.value.retryable
    assert caught.value.__context__ is None
    assert service.token.reveal()[4:20] not in with_locals(caught.value)


async def test_an_answer_that_sends_the_bot_elsewhere_is_not_followed(
    service: Service, client: BotClient
) -> None:
    service.problem = (307, b"", {"Location": "https://elsewhere.test/"})
    with pytest.raises(Unreachable, match="Redirected") as caught:
        await client.credentials()
    assert not caught.value.retryable


async def test_a_token_of_another_bot_is_compared_before_anything_opens(
    service: Service, transport: HttpTransport
) -> None:
    service.bot_id = uuid4()
    async with connect(service, transport) as client:
        with pytest.raises(WrongKey, match="bot_id"):
            await client.credentials()


async def test_the_configuration_is_read_once_and_then_confirmed(
    service: Service, client: BotClient
) -> None:
    service.config["assets"] = [{"symbol": "BTC-USDT-SWAP", "leverage": "2.5", "news": 1}]
    first = await client.config()
    assert first.assets[0].symbol == "BTC-USDT-SWAP"
    assert str(first.assets[0].leverage) == "2.5"
    assert first.key is not None
    assert first.key.id == service.binding.key_id
    assert await client.config() is first
    assert service.statuses == [200, 304]
    service.etag = '"2"'
    service.config["may_open_positions"] = False
    assert not (await client.config()).may_open_positions


async def test_a_304_that_nobody_asked_for_is_an_error(service: Service, client: BotClient) -> None:
    service.problem = (304, b"", {})
    with pytest.raises(Refused, match="304"):
        await client.config()


@pytest.mark.parametrize("change", ["removed", "swapped", "replaced"])
async def test_the_plaintext_is_dropped_when_the_configuration_has_another_key(
    change: str, service: Service, client: BotClient
) -> None:
    held = await client.credentials()
    await client.config()
    assert not held.forgotten
    match change:
        case "removed":
            service.config["key"] = None
        case "swapped":
            service.config["key"]["id"] = str(uuid4())
        case "replaced":
            service.replace_credentials(4)
    service.etag = '"changed"'
    await client.config()
    assert held.forgotten
    for name in ("api_key", "api_secret", "api_passphrase"):
        with pytest.raises(Forgotten):
            getattr(held, name)
    if change == "replaced":
        assert (await client.credentials()).version == 4


async def test_the_plaintext_is_dropped_when_a_fetch_says_that_there_is_no_key(
    service: Service, client: BotClient
) -> None:
    held = await client.credentials()
    service.problem = (409, {"code": "no_key", "detail": "None."}, {})
    with pytest.raises(NoKey):
        await client.credentials(fresh=True)
    assert held.forgotten


async def test_an_outage_keeps_the_plaintext_that_exits_need(
    service: Service, client: BotClient
) -> None:
    held = await client.credentials()
    service.problem = (503, {"code": "unavailable", "detail": "Later."}, {})
    for call in (client.config, lambda: client.credentials(fresh=True)):
        with pytest.raises(ServiceUnavailable):
            await call()
    assert await client.credentials() is held
    assert held.api_key.reveal() == "PLANTED-api-key"


async def test_leaving_and_forgetting_drop_the_plaintext(
    service: Service, transport: HttpTransport
) -> None:
    async with connect(service, transport) as client:
        first = await client.credentials()
        client.forget()
        assert first.forgotten
        second = await client.credentials()
    assert second.forgotten


async def test_a_transport_of_its_own_is_closed_on_leaving(service: Service) -> None:
    async with BotClient("http://127.0.0.1:9", service.token) as client:
        with pytest.raises(Unreachable):
            await client.config()
        own = client._connection.transport
    assert own._client.is_closed
    other = HttpTransport(transport=ASGITransport(service.app))
    async with connect(service, other) as client:
        await client.config()
    assert not other._client.is_closed
    await other.aclose()


async def test_nothing_of_the_client_shows_or_copies_a_secret(
    service: Service, client: BotClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    released = await client.credentials()
    config = await client.config()
    assert repr(client) == f"BotClient(bot={service.bot_id}, key={service.binding.key_id})"
    assert repr(released) == (
        f"ReleasedCredentials(bot={service.bot_id}, key={service.binding.key_id})"
    )
    logging.getLogger("bot").error("%s %r %s", client, released, config)
    shown = [str(client), f"{client}", str(released), f"{released}", repr(config), caplog.text]
    for text in shown:
        assert "PLANTED" not in text
        assert service.token.reveal()[4:] not in text
    for thing in (client, released):
        for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="pickled or copied"):
                attempt(thing)


@pytest.mark.parametrize(
    "content",
    [
        b"PLANTED not json",
        b'["PLANTED"]',
        b'{"api_key":"PLANTED"}',
        b'{"api_key":"PLANTED',
        b'{"api_key":"PLANTED","api_secret":"PLANTED","api_passphrase":5}',
        b"PLANTED\xff",
    ],
)
async def test_an_error_after_opening_shows_no_plaintext_even_with_local_variables(
    content: bytes,
    client: BotClient,
    monkeypatch: pytest.MonkeyPatch,
    with_locals: Callable[[BaseException], str],
) -> None:
    monkeypatch.setattr("app.custody.sealing._plaintext", lambda _: bytearray(content))
    with pytest.raises(MalformedAnswer) as caught:
        await client.credentials()
    assert caught.value.__context__ is None
    shown = with_locals(caught.value)
    assert "plaintext = SecretBytes(…)" in shown
    assert "PLANTED" not in shown
    frame = [frame for frame, _ in traceback.walk_tb(caught.tb)][-1]
    assert frame.f_locals["plaintext"].reveal() == bytes(len(content))


async def test_an_error_while_credentials_are_held_shows_none_even_with_local_variables(
    service: Service, client: BotClient, with_locals: Callable[[BaseException], str]
) -> None:
    async def trade() -> None:
        credentials = await client.credentials()
        key, passphrase = credentials.api_key, credentials.api_passphrase
        raise LookupError(f"{client} {credentials} {key} {passphrase}")

    with pytest.raises(LookupError) as caught:
        await trade()
    shown = with_locals(caught.value)
    assert "credentials = ReleasedCredentials(bot=" in shown
    assert "PLANTED" not in shown
    assert service.token.reveal()[4:20] not in shown


@pytest.mark.parametrize(
    "address",
    [
        "http://botkeys.example",
        "http://10.0.0.7:8000",
        "http://localhost.attacker.example",
        "http://127.0.0.1@attacker.example",
        "ftp://127.0.0.1",
        "127.0.0.1:8000",
        "",
        "https://",
        "http://[::1",
        "https://user:secret@botkeys.example",
        "https://botkeys.example?token=1",
    ],
)
def test_an_address_that_would_show_the_token_is_refused(address: str, service: Service) -> None:
    with pytest.raises(InsecureAddress):
        BotClient(address, service.token)


@pytest.mark.parametrize(
    "address", ["https://botkeys.example/prefix/", "http://localhost:8000", "http://[::1]:8000"]
)
def test_https_and_this_machine_are_fine(address: str, service: Service) -> None:
    assert BotClient(address, service.token).bot_id == service.bot_id


def test_plain_http_elsewhere_must_be_asked_for(service: Service) -> None:
    client = BotClient("http://10.0.0.7:8000", service.token, allow_insecure_http=True)
    assert client.account_id == service.binding.account_id


def test_what_the_caller_configures_wrongly_is_refused_at_once(service: Service) -> None:
    with pytest.raises(MalformedToken):
        BotClient(ADDRESS, "bkb_typing-error")
    with pytest.raises(UnknownSuite):
        BotClient(ADDRESS, service.token, suite="rot13")
    with pytest.raises(ValueError, match="mainnet"):
        BotClient(ADDRESS, service.token, environment="mainnet")


def test_every_error_of_the_client_is_one_tree_with_a_code_of_its_own() -> None:
    def below(parent: type[BotClientError]) -> list[type[BotClientError]]:
        return [parent, *(c for child in parent.__subclasses__() for c in below(child))]

    own = [c.code for c in below(BotClientError) if not issubclass(c, Refused)]
    assert len(own) > 10
    assert len(own) == len(set(own))


async def test_the_same_answer_replayed_to_a_later_fetch_does_not_open(
    service: Service, client: BotClient
) -> None:
    recorded: dict[str, Any] = {}
    service.lie = recorded.update
    await client.credentials()
    service.lie = lambda answer: answer.update(recorded)
    with pytest.raises(CannotOpen):
        await client.credentials(fresh=True)


async def test_a_row_of_another_account_cannot_be_served_to_this_bot(
    service: Service, client: BotClient
) -> None:
    theirs = replace(service.binding, account_id=UUID(int=7))
    ours, service.binding = service.binding, theirs
    service.lie = lambda answer: answer.update(account_id=str(ours.account_id))
    with pytest.raises(CannotOpen):
        await client.credentials()
    assert service.binding.environment is Environment.TESTNET

"""Logs: one JSON line per event, and the last line of defence against secrets."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import structlog

from app.kit.logging import MASK, REQUEST_IDS, configure_logging, mask_secrets
from botkeys.sealing.secret import Secret

BOT_TOKEN = "bkb_" + "0aZ" * 30
JWT = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"


@pytest.fixture
def configured() -> Iterator[None]:
    """Configure the service's logging, and restore the previous state afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def fail(text: str) -> None:
    raise ValueError(text)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.usefixtures("configured")
def test_an_event_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info")

    structlog.get_logger("botkeys.test").info("something", number=1, text="line\nbreak")

    (event,) = lines(capsys)
    assert event["event"] == "something"
    assert event["number"] == 1
    assert event["level"] == "info"
    assert event["logger"] == "botkeys.test"
    assert event["at"].endswith("Z")


@pytest.mark.usefixtures("configured")
def test_the_standard_librarys_records_look_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info")

    logging.getLogger("uvicorn.error").warning("from %s", "elsewhere", extra={"api_secret": "x"})

    (event,) = lines(capsys)
    assert event["event"] == "from elsewhere"
    assert event["level"] == "warning"
    assert event["api_secret"] == MASK


@pytest.mark.usefixtures("configured")
def test_the_request_id_stands_in_every_line_of_a_request(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("info")

    before = REQUEST_IDS.set({"request_id": "r-1"})
    structlog.get_logger("botkeys.test").info("one")
    logging.getLogger("elsewhere").warning("two")
    REQUEST_IDS.reset(before)
    structlog.get_logger("botkeys.test").info("three")

    assert [event.get("request_id") for event in lines(capsys)] == ["r-1", "r-1", None]


@pytest.mark.usefixtures("configured")
def test_less_than_the_set_level_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("warning")

    structlog.get_logger("botkeys.test").info("too little")
    structlog.get_logger("botkeys.test").warning("enough")

    assert [event["event"] for event in lines(capsys)] == ["enough"]


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("name", ["httpx", "httpcore.connection", "sqlalchemy.engine.Engine"])
def test_libraries_that_would_log_addresses_or_values_are_quiet(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    configure_logging("debug")

    logging.getLogger(name).info("GET https://exchange/?signature=PLANTED")

    assert "PLANTED" not in capsys.readouterr().out


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize(
    "text",
    [
        f"token {BOT_TOKEN} seen",
        f"Authorization: Bearer {JWT}",
        "GET /fapi?timestamp=1&signature=deadbeef0123",
        "?api_key=0123456789abcdef&x=1",
        "postgresql://botkeys:passw0rd@db/botkeys",
    ],
)
def test_a_secret_in_a_text_is_hidden_wherever_it_stands(
    capsys: pytest.CaptureFixture[str], text: str
) -> None:
    configure_logging("info")

    structlog.get_logger("botkeys.test").info(text)
    structlog.get_logger("botkeys.test").info("event", detail=text, nested={"inner": [text]})
    logging.getLogger("elsewhere").warning("%s", text)
    structlog.get_logger("botkeys.test").info("odd", error=ValueError(text), seen={1: {text}})
    try:
        fail(text)
    except ValueError:
        structlog.get_logger("botkeys.test").exception("failed")

    out = capsys.readouterr().out
    for secret in (BOT_TOKEN, JWT, "deadbeef0123", "0123456789abcdef", "passw0rd"):
        assert secret not in out
    assert MASK in out


@dataclass
class Odd:
    """A dataclass, which orjson would write out field by field."""

    plain: str
    hidden: str = field(repr=False)


@pytest.mark.usefixtures("configured")
def test_an_object_is_shown_as_its_repr_only(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info")

    structlog.get_logger("botkeys.test").info("odd", one=Odd("seen", "PLANTED"), two=Secret("P"))

    (event,) = lines(capsys)
    assert event["one"] == "Odd(plain='seen')"
    assert event["two"] == "Secret(…)"


@pytest.mark.parametrize(
    "name",
    ["api_secret", "api_key", "apiKey", "passphrase", "Authorization", "bot_token", "cookie"],
)
def test_a_value_with_the_name_of_a_secret_is_hidden(name: str) -> None:
    event = {"event": "e", name: "PLANTED", "inner": [{name: ["PLANTED"]}]}

    assert "PLANTED" not in str(mask_secrets(None, "info", event))


def test_counts_and_flags_stay_readable_whatever_their_name() -> None:
    event = {"event": "e", "credentials": 3, "has_token": True, "label": "plain"}

    assert mask_secrets(None, "info", dict(event)) == event

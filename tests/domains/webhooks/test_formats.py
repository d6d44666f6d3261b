"""What is sent in each format, and that no name of a user does anything in a chat."""

import json
import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.dashboard.pages import STATIC
from app.domains.events.repository import EventRow
from app.domains.events.sentences import TITLES, TONES, Happened, sentence
from app.domains.events.types import DESCRIBED, EventType
from app.domains.webhooks.formats import LONGEST, Occasion, message

AT = datetime(2026, 11, 29, 6, 0, 0, 123000, tzinfo=UTC)
HOOK, KEY = UUID(int=7), UUID(int=8)
EVIL = (
    "@everyone <!channel> <@U1> <https://evil.example|here> [a](https://evil.example) "
    "*b* _c_ ~d~ `e` ||f|| \r\n# g\u202e www.evil.example @here &amp;"
)


def occasion(type_: EventType, environment: str | None = "live", **data: Any) -> Occasion:
    event = EventRow(42, type_, AT, environment, KEY, None, data)
    return Occasion(HOOK, type_, AT, event)


def everything(type_: EventType, value: Any) -> dict[str, Any]:
    return dict.fromkeys(DESCRIBED[type_].data, value)


def body(format_: str, what: Occasion) -> Any:
    return json.loads(message(format_, what).body)


def test_the_standard_format_is_the_event_as_it_is_listed() -> None:
    sent = body("standard", occasion(EventType.BOT_OFFLINE, "testnet", name=EVIL))
    assert sent.keys() == {"type", "timestamp", "data"}
    assert sent["type"] == sent["data"]["type"] == "bot.offline"
    assert sent["timestamp"] == sent["data"]["at"] == "2026-11-29T06:00:00.123000Z"
    assert sent["data"].keys() == {"id", "type", "at", "environment", "key_id", "data"}
    assert sent["data"]["data"] == {"name": EVIL}
    assert sent["data"]["id"].startswith("42-")


def test_a_test_names_its_webhook_and_no_event() -> None:
    what = Occasion(HOOK, "webhook.test", AT, None)
    sent = body("standard", what)
    assert (sent["type"], sent["data"]) == ("webhook.test", {"webhook_id": str(HOOK)})
    for format_ in ("slack", "discord", "ntfy"):
        assert b"test of this webhook" in message(format_, what).body.lower()


@pytest.mark.parametrize("type_", EventType)
def test_every_event_is_one_bounded_line_that_does_nothing(type_: EventType) -> None:
    for value in (None, EVIL, [EVIL] * 50, {"a": 1}, 7, "x" * 9_999):
        data = {} if value is None else everything(type_, value)
        _require_harmless(occasion(type_, **data))


def _require_harmless(what: Occasion) -> None:
    slack, discord = body("slack", what), body("discord", what)
    ntfy = message("ntfy", what)
    assert slack["text"] == slack["blocks"][0]["text"]["text"]
    assert slack["blocks"][0]["text"]["type"] == "plain_text"
    assert not re.search(r"[<>\n]|&(?!(amp|lt|gt);)|@\w|://|www\.", slack["text"])
    assert discord["allowed_mentions"] == {"parse": []}
    assert not re.search(r"(?<!\\)(\\\\)*[*_~`|<>\[\]()#]|\n|@\w|:\\?//", discord["content"])
    text = ntfy.body.decode()
    assert "\n" not in text
    assert "\u202e" not in text
    assert len(ntfy.body) <= 4_096
    assert len(discord["content"]) <= 2_000
    assert len(slack["text"]) <= 3_000
    assert len(text) <= LONGEST
    for name, header in ntfy.headers:
        assert header.isascii(), name
        assert header.isprintable(), name


def fixed(source: str) -> str:
    """Return what stands in a template whatever is put into it, without its links."""
    depth, text = 0, ""
    for place, letter in enumerate(source):
        if source.startswith("${", place):
            depth += 1
        elif letter == "}" and depth:
            depth -= 1
        elif not depth:
            text += letter
    return re.sub(r"<a .*?</a>|<[^>]*>", " ", text)


def words(text: str) -> set[str]:
    return set(re.findall(r"[A-Za-z]{3,}", text))


@pytest.mark.parametrize("type_", EventType)
def test_a_sentence_has_the_words_of_the_page(type_: EventType) -> None:
    page = (STATIC / "parts" / "event_sentence.js").read_text()
    entry = re.search(
        rf'^  "{re.escape(type_)}": \(\w*\) =>(.*?)(?=^  "|^}};)', page, re.MULTILINE | re.DOTALL
    )
    assert entry is not None
    theirs = words(fixed(entry[1].partition(": html`")[0])) - {"html", "one", "data", "assigned"}
    ours = sentence(Happened(type_, "live", everything(type_, "x")))
    assert theirs or type_ is EventType.OPERATION_FINISHED  # which is all conditions
    assert theirs <= words(ours) | {"bot", "The"}, ours


def test_titles_and_tones_are_those_of_the_page() -> None:
    page = (STATIC / "kit" / "event_types.js").read_text()
    titles, tones = page.split("const TONES")
    found = re.compile(r'^  "([\w.]+)": "([^"]+)"', re.MULTILINE)
    assert dict(found.findall(titles)) == {str(name): title for name, title in TITLES.items()}
    assert dict(found.findall(tones)) == {str(name): tone for name, tone in TONES.items()}


def test_a_testnet_is_named_first() -> None:
    event = Happened(EventType.BOT_OFFLINE, "testnet", {"name": "Grid"})
    assert sentence(event) == "Testnet: The bot “Grid” is offline: it sends no heartbeats."
    assert sentence(event._replace(environment="live")).startswith("The bot “Grid”")
    assert sentence(event._replace(data={})).endswith("A bot is offline: it sends no heartbeats.")


def test_a_type_that_is_not_known_yet_is_named() -> None:
    assert sentence(Happened("moon.risen", None, {})) == "moon.risen."
    what = occasion(EventType.BOT_ONLINE)
    newer = what._replace(
        type="moon.risen", event=what.event and what.event._replace(type="moon.risen")
    )
    assert dict(message("ntfy", newer).headers)["Title"] == "Event"


def test_ntfy_gets_the_weight_of_an_event_in_headers() -> None:
    headers = dict(message("ntfy", occasion(EventType.KEY_EXPIRED, label=str(uuid4()))).headers)
    assert headers["Title"] == "Key expired"
    assert headers["Priority"] == "high"
    assert headers["Tags"] == "rotating_light"

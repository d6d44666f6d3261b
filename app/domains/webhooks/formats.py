"""What is sent in each format: the event itself, signed, or a sentence for a chat.

A chat reads marks in a text as commands: mentions of everybody, links, fonts. What users and bots
have named is shown as it is and does nothing (`_harmless`, and each format's own escapes).
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from app.domains.events.repository import EventRow
from app.domains.events.sentences import TITLES, TONES, Happened, sentence
from app.domains.events.serializers import event_document
from app.domains.webhooks.repository import TEST
from app.domains.webhooks.sender import Message
from app.kit.json_codec import dumps

LONGEST = 1_000
"""Characters of a sentence; the shortest of the chats' own limits is 2,000."""

_JSON = ("Content-Type", "application/json")
_TEXT = ("Content-Type", "text/plain; charset=utf-8")
_TEST_SENTENCE = "A test of this webhook: it works."
_PRIORITIES = {"bad": "high", "warning": "default", "good": "low"}
_TAGS = {"bad": "rotating_light", "warning": "warning", "good": "white_check_mark"}
_NOTHING = "\u200b"
"""The zero-width space, after which a chat finds no address and no mention any more."""
_LINKED = re.compile(r":(?=//)|[@#](?=\w)|\.(?=[A-Za-z]{2})")
_MARKED = re.compile(r"([\\*_~`|>#\[\]()<:\-])")


class Occasion(NamedTuple):
    """What a delivery is about; `event` is `None` for a test."""

    webhook_id: UUID
    type: str
    at: datetime
    event: EventRow | None


def message(format_: str, occasion: Occasion) -> Message:
    """Return what is sent, without the headers that sign it."""
    if format_ == "standard":
        return Message([_JSON], dumps(_payload(occasion)))
    return _CHATS[format_](occasion)


def _payload(occasion: Occasion) -> dict[str, Any]:
    """Return the members of Standard Webhooks; `data` is the event as `GET /v1/events` has it."""
    data: Mapping[str, Any] = {"webhook_id": occasion.webhook_id}
    if occasion.event is not None:
        data = event_document(occasion.event)
    return {"type": occasion.type, "timestamp": occasion.at, "data": data}


def _sentence(occasion: Occasion) -> str:
    if occasion.event is None:
        return _TEST_SENTENCE
    event = occasion.event
    text = _harmless(sentence(Happened(event.type, event.environment, event.data)))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _harmless(text: str) -> str:
    return _LINKED.sub(lambda found: found[0] + _NOTHING, text)


def _slack(occasion: Occasion) -> Message:
    text = _sentence(occasion)
    for mark, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(mark, name)
    plain = {"type": "plain_text", "text": text, "emoji": False}
    blocks = [{"type": "section", "text": plain}]
    return Message([_JSON], dumps({"text": text, "mrkdwn": False, "blocks": blocks}))


def _discord(occasion: Occasion) -> Message:
    content = _MARKED.sub(r"\\\1", _sentence(occasion))
    suppress_embeds = 4
    document = {
        "content": content,
        "allowed_mentions": {"parse": []},
        "flags": suppress_embeds,
    }
    return Message([_JSON], dumps(document))


def _ntfy(occasion: Occasion) -> Message:
    title = "Webhook test" if occasion.type == TEST else TITLES.get(occasion.type, "Event")  # type: ignore[call-overload]
    tone = TONES.get(occasion.type, "plain")  # type: ignore[call-overload]
    headers = [_TEXT, ("Title", title), ("Priority", _PRIORITIES.get(tone, "default"))]
    if tone in _TAGS:
        headers.append(("Tags", _TAGS[tone]))
    return Message(headers, _sentence(occasion).encode())


_CHATS = {"slack": _slack, "discord": _discord, "ntfy": _ntfy}

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botkeys.client.sse import Event, EventParser, EventTooLarge

LINES = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12)
IDS = LINES.filter(lambda text: "\0" not in text)
ENDS = st.sampled_from(["\n", "\r", "\r\n"])


def read(*chunks: bytes) -> list[Event]:
    parser = EventParser()
    return [event for chunk in chunks for event in parser.feed(chunk)]


def cut(content: bytes, places: Sequence[int]) -> list[bytes]:
    ends = sorted({0, len(content), *(place % (len(content) + 1) for place in places)})
    return [content[start:end] for start, end in pairwise(ends)]


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[Event]]:
    """Draw a stream as a server may write it, and the events in it."""
    text, events, last_id = draw(st.sampled_from(["", "\ufeff"])), [], ""

    def line(content: str) -> None:
        nonlocal text
        if draw(st.booleans()):
            text += ":" + draw(LINES) + draw(ENDS)
        # After a line that ends with CR, its own LF must not follow: both would be one line end.
        text += content + draw(ENDS)

    for _ in range(draw(st.integers(0, 4))):
        kind, data = draw(LINES), draw(st.lists(LINES, max_size=3))
        if draw(st.booleans()):
            last_id = draw(IDS)
            line(f"id: {last_id}")
        if draw(st.booleans()):
            line(f"id: {draw(LINES)}\0")
        line(f"event: {kind}")
        for part in data:
            line(f"data: {part}")
        text += "\n\n" if text.endswith("\r") else draw(ENDS)
        if data:
            events.append(Event(kind or "message", "\n".join(data), last_id))
    return text.encode(), events


@given(streams(), st.lists(st.integers(0, 1000), max_size=8))
def test_events_are_what_was_written_wherever_the_bytes_are_cut(
    stream: tuple[bytes, list[Event]], places: list[int]
) -> None:
    content, events = stream
    assert read(*cut(content, places)) == events


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=8))
def test_any_bytes_are_read_alike_whole_and_in_pieces(content: bytes, places: list[int]) -> None:
    assert read(*cut(content, places)) == read(content)


@given(st.binary(max_size=60))
def test_the_three_line_ends_mean_the_same(content: bytes) -> None:
    plain = b"data: a\n" + content.replace(b"\r", b"").replace(b"\n\n", b"\n") + b"\n\n"
    for end in (b"\r", b"\r\n"):
        assert read(plain.replace(b"\n", end)) == read(plain)


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        # The examples of the specification.
        ("data: YHOO\ndata: +2\ndata: 10\n\n", [("message", "YHOO\n+2\n10", "")]),
        (
            ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third\n",
            [("message", "first event", "1"), ("message", "second event", "")],
        ),
        ("data\n\ndata\ndata\n\ndata:", [("message", "", ""), ("message", "\n", "")]),
        ("data:test\n\ndata: test\n\n", [("message", "test", "")] * 2),
        # Further rules of the specification.
        (
            "event: add\ndata: 1\n\nevent: none\n\ndata: 2\n\n",
            [("add", "1", ""), ("message", "2", "")],
        ),
        ("DATA: 1\ndata : 2\nother: 3\n\n", []),
        ("id: 7\n\ndata: 1\n\n", [("message", "1", "7")]),
        ("id: 7\ndata: 1\n\nid: 8\0\ndata: 2\n\n", [("message", "1", "7"), ("message", "2", "7")]),
    ],
)
def test_examples(stream: str, events: list[tuple[str, str, str]]) -> None:
    assert [(event.kind, event.data, event.id) for event in read(stream.encode())] == events


def test_bytes_that_are_no_text_are_replaced_and_no_later_event_is_harmed() -> None:
    assert [event.data for event in read(b"data: \xff\xc3\n\ndata: 2\n\n")] == ["\ufffd\ufffd", "2"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [("retry: 1500", 1500), ("retry: 0", 0), ("retry: -1", None), ("retry: 1s", None)],
)
def test_the_pause_before_a_reconnection_is_read(line: str, expected: int | None) -> None:
    parser = EventParser()
    parser.feed(f"{line}\n".encode())
    assert parser.retry_ms == expected


def test_an_id_is_carried_over_and_counts_only_once_its_event_is_whole() -> None:
    parser = EventParser("6")
    parser.feed(b"id: 7\n")
    assert parser.last_event_id == "6"
    parser.feed(b"\n")
    assert parser.last_event_id == "7"
    assert [event.id for event in parser.feed(b"data: x\n\n")] == ["7"]


def test_an_event_without_an_end_is_refused_and_comments_do_not_add_up() -> None:
    parser = EventParser(max_bytes=100)
    for _ in range(100):
        assert parser.feed(b": keep alive\n") == []
    parser.feed(b"data: " + b"x" * 80)
    with pytest.raises(EventTooLarge):
        parser.feed(b"x" * 20)

"""A parser of server-sent events that reads bytes as they arrive.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

import re
from dataclasses import dataclass

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_DIGITS = re.compile(r"[0-9]{1,15}", re.ASCII)


class EventTooLarge(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `id` is the stream's last event id when the event was complete, or empty."""

    kind: str
    data: str
    id: str


class EventParser:
    """Turns the bytes of one connection into complete events.

    `last_event_id` and `retry_ms` are the stream's latest values; the id of the previous connection
    may be passed in. An event still unfinished when the connection ends is dropped.
    """

    def __init__(self, last_event_id: str = "", *, max_bytes: int = 16 * 1024 * 1024) -> None:
        self.last_event_id = last_event_id
        self.retry_ms: int | None = None
        self._id = last_event_id
        self._kind = ""
        self._data: list[str] = []
        self._max_bytes = max_bytes
        self._size = 0
        self._line: list[bytes] = []
        self._after_cr = False
        self._at_start = True

    def feed(self, chunk: bytes) -> list[Event]:
        """Return the events that this chunk completes. Raises EventTooLarge."""
        if not chunk:
            return []
        skipped = chunk[1:] if self._after_cr and chunk.startswith(b"\n") else chunk
        self._after_cr = chunk.endswith(b"\r")
        *ended, rest = _LINE_END.split(skipped)
        events = []
        for end in ended:
            event = self._take_line(self._joined(end))
            if event is not None:
                events.append(event)
        self._grow(len(rest))
        self._line.append(rest)
        return events

    def _joined(self, end: bytes) -> bytes:
        self._grow(len(end))
        line = b"".join((*self._line, end))
        self._line.clear()
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BYTE_ORDER_MARK)
        return line

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > self._max_bytes:
            raise EventTooLarge

    def _take_line(self, line: bytes) -> Event | None:
        if not line:
            return self._dispatch()
        name, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._kind = value
            case "data":
                self._data.append(value)
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if _DIGITS.fullmatch(value):
                self.retry_ms = int(value)
            case "":  # a comment: keeps the connection alive, adds nothing to the event
                self._size -= len(line)
        return None

    def _dispatch(self) -> Event | None:
        self.last_event_id = self._id
        kind, data = self._kind or "message", self._data
        self._kind, self._data, self._size = "", [], 0
        return Event(kind, "\n".join(data), self._id) if data else None

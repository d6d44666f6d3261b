"""What the proxy has to know about one exchange's WebSocket messages."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from botkeys.signing_proxy.canonical import read_document, write_document
from botkeys.signing_proxy.gate import Gate
from botkeys.signing_proxy.refusals import Refusal, malformed


@dataclass(frozen=True, slots=True)
class ToExchange:
    """A message to send on, as it was judged."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ToBot:
    """An answer of the proxy's own: a refusal in the exchange's form."""

    text: str = field(repr=False)


class Guard(ABC):
    """Judges the messages of one connection from a bot."""

    words: frozenset[str] = frozenset()
    """Messages that are no JSON and pass."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate

    async def judge(self, text: str) -> ToExchange | ToBot:
        if text in self.words:
            return ToExchange(text)
        message: Any = None
        try:
            message = read_document(text.encode())
            if not isinstance(message, dict):
                raise malformed("A message is a JSON object.")
            return ToExchange(write_document(await self.rewritten(message)).decode("ascii"))
        except Refusal as refusal:
            about = message if isinstance(message, dict) else {}
            return ToBot(write_document(self.error(about, refusal)).decode("ascii"))

    @abstractmethod
    async def rewritten(self, message: dict[str, Any]) -> dict[str, Any]:
        """Return the message to send in place of the bot's. Raises `Refusal`."""

    @abstractmethod
    def error(self, message: dict[str, Any], refusal: Refusal) -> dict[str, Any]:
        """Return a refusal of a message in the exchange's own form."""

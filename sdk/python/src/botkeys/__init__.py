"""Botkeys for Python: what a bot installs to use a key that the service keeps for it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botkeys.client import BotClient

__all__ = ["BotClient"]


def __getattr__(name: str) -> Any:
    """Import the client on first use: the service imports adapters and formats without it."""
    if name == "BotClient":
        from botkeys.client import BotClient  # noqa: PLC0415  # see above

        return BotClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

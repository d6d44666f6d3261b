"""Botkeys for Python: what a bot installs to use an exchange key that a service keeps for it.

Public are `BotClient` here and `__all__` of `botkeys.client`, `botkeys.sync` and `botkeys.ccxt`.
Everything else is internal: the service shares it, and it may change with any release.
"""

# Type checkers take it for true. Importing it would cost the command `botkeys` its quick start.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from botkeys.client import BotClient
else:

    def __getattr__(name: str) -> object:
        """Import the client on first use: the service imports adapters and formats without it."""
        if name == "BotClient":
            from botkeys.client import BotClient  # noqa: PLC0415  # see above

            return BotClient
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["BotClient"]

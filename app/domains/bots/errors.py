"""Refusals that concern bots.

AppError
├── BotQuotaReached   409 bot_quota_reached, with `limit`
├── KeyAssigned       409 key_assigned, with `bot`
├── KeyInactive       409 key_inactive
├── KeyIncomplete     409 key_incomplete
├── NoKey             409 no_key
├── OpenPositions
│   └── BotHasPositions      409 open_positions, with `count`
└── OpenOrders
    └── BotHasOrders         409 open_orders, with `count`
"""

from uuid import UUID

from app.domains.trading.errors import OpenOrders, OpenPositions
from app.errors import AppError


class BotHasPositions(OpenPositions):
    """The refusal to change or delete a bot while it holds positions."""

    sentence = (
        "The bot has {count} open {noun}. Close them first: only this bot, with the "
        "key that opened them, can manage them."
    )


class BotHasOrders(OpenOrders):
    """The refusal to change or delete a bot while it has orders at the exchange."""

    sentence = (
        "{count} {noun} at the exchange that the bot placed. Cancel them first, or stop the bot "
        "and wait 5 minutes: its count lapses then."
    )


class NoKey(AppError):
    status = 409
    code = "no_key"
    title = "The bot has no key"
    detail = "No key is assigned to this bot. Assign a key first."


class KeyAssigned(AppError):
    """`bot` is `{id, name}`."""

    status = 409
    code = "key_assigned"
    title = "The key is assigned to a bot"
    member_names = ("bot",)
    detail = "A key serves one bot at a time. Unassign it from that bot first."

    def __init__(self, bot_id: UUID, bot_name: str) -> None:
        super().__init__(bot={"id": bot_id, "name": bot_name})


class KeyInactive(AppError):
    status = 409
    code = "key_inactive"
    title = "The key is not active"
    detail = "Only an active key can be assigned to a bot. Activate it first."


class KeyIncomplete(AppError):
    """The refusal to use a key pair before its API key is known."""

    status = 409
    code = "key_incomplete"
    title = "The key has no API key yet"
    detail = (
        "The private half of this key was made here, and it awaits the API key that the exchange "
        "shows when its public key is registered. Send that API key alone to "
        "`PUT /v1/keys/{key_id}/credentials`, or delete the key."
    )


class BotQuotaReached(AppError):
    """`limit` is how many bots of an account there may be."""

    status = 409
    code = "bot_quota_reached"
    title = "The account has as many bots as it may have"
    member_names = ("limit",)

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"An account has at most {limit} bots. Delete one that is no longer used.", limit=limit
        )

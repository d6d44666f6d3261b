"""The types of events, and what the data of each type hold. docs/events.md is made from this."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class EventType(StrEnum):
    """What happened."""

    KEY_ADDED = "key.added"
    KEY_CHANGED = "key.changed"
    KEY_REPLACED = "key.replaced"
    KEY_DELETED = "key.deleted"
    KEY_EXPIRING = "key.expiring"
    KEY_EXPIRED = "key.expired"
    KEY_CREDENTIALS_REJECTED = "key.credentials_rejected"
    KEY_CREDENTIALS_RESTORED = "key.credentials_restored"
    KEY_PERMISSIONS_CHANGED = "key.permissions_changed"
    KEY_WITHDRAWAL_PERMISSION = "key.withdrawal_permission"
    KEY_ADDRESS_RESTRICTION_MISSING = "key.address_restriction_missing"
    KEY_RELEASED_FROM_NEW_ADDRESS = "key.released_from_new_address"
    RELEASE_REFUSED = "release.refused"
    BOT_ADDED = "bot.added"
    BOT_CHANGED = "bot.changed"
    BOT_DELETED = "bot.deleted"
    BOT_ONLINE = "bot.online"
    BOT_OFFLINE = "bot.offline"
    BOT_TOKEN_MINTED = "bot.token_minted"  # no password
    ASSIGNMENT_CHANGED = "assignment.changed"
    ASSET_CHANGED = "asset.changed"
    OPENING_REFUSED = "opening.refused"
    POSITION_OPENED = "position.opened"
    POSITION_CLOSED = "position.closed"
    POSITION_UNEXPECTED = "position.unexpected"
    FREEZE_ADDED = "freeze.added"
    FREEZE_LIFTED = "freeze.lifted"
    OPERATION_PROGRESS = "operation.progress"
    OPERATION_FINISHED = "operation.finished"
    WEBHOOK_DISABLED = "webhook.disabled"
    ACCOUNT_CLOSING = "account.closing"


class Described(NamedTuple):
    """What an event of a type says. `data` names the members that its data may have."""

    meaning: str
    data: Mapping[str, str]


_KEY = {"label": "the key's label", "exchange": "the key's exchange"}
_EXPIRY = {**_KEY, "expires_at": "when the exchange ends the key"}
_BOT = {"name": "the bot's name"}
_CHANGED = "names of the members that changed"
_POSITION = {
    "position_id": "the bot's id of the position",
    "symbol": "the exchange's symbol",
    "side": "`long` or `short`",
}
_FREEZE = {
    "freeze_id": "the freeze",
    "scope": "`account`, `exchange` or `key`",
    "exchange": "the exchange, if the scope is `exchange`",
    "reason": "the note that its author gave",
}
_OPERATION = {"operation_id": "the operation", "kind": "as in `getOperation`"}

DESCRIBED: Mapping[EventType, Described] = {
    EventType.KEY_ADDED: Described(
        "A key was added.",
        {
            **_KEY,
            "contract_type": "`linear` or `inverse`",
            "active": "whether it may be assigned",
            "status": "how the check of its credentials ended, as `verification.status`",
        },
    ),
    EventType.KEY_CHANGED: Described(
        "A key was renamed, activated, deactivated, or its contract type was switched.",
        {
            **_KEY,
            "contract_type": "`linear` or `inverse`",
            "active": "whether it may be assigned",
            "changed": _CHANGED,
        },
    ),
    EventType.KEY_REPLACED: Described(
        "A key has new credentials, or was completed with its API key.",
        {
            **_KEY,
            "version": "the version of the new credentials",
            "status": "how the check of its credentials ended, as `verification.status`",
        },
    ),
    EventType.KEY_DELETED: Described(
        "A key was deleted. The event stays when the key's data are deleted, without the label.",
        {
            **_KEY,
            "associated_data": "`keep` or `delete`",
            "operation_id": "the operation that deletes the key's data",
        },
    ),
    EventType.KEY_EXPIRING: Described(
        "A key expires in 30, 7 or 1 days.",
        {**_EXPIRY, "days": "how many days are left, at most"},
    ),
    EventType.KEY_EXPIRED: Described("A key has expired.", _EXPIRY),
    EventType.KEY_CREDENTIALS_REJECTED: Described(
        "The exchange rejects the key's credentials.",
        {
            **_KEY,
            "reason": "why, as `verification.reason`",
            "possible": "reasons that the exchange does not distinguish",
            "exchange_code": "the exchange's own code",
        },
    ),
    EventType.KEY_CREDENTIALS_RESTORED: Described(
        "The exchange accepts credentials that were rejected before.", _KEY
    ),
    EventType.KEY_PERMISSIONS_CHANGED: Described(
        "The exchange reports other permissions for the key than were known.",
        {
            **_KEY,
            "before": "the former answers, by permission",
            "after": "the answers now, by permission",
        },
    ),
    EventType.KEY_WITHDRAWAL_PERMISSION: Described(
        "The key turned out to be able to withdraw funds.", _KEY
    ),
    EventType.KEY_ADDRESS_RESTRICTION_MISSING: Described(
        "The key turned out to work from any IP address.", _KEY
    ),
    EventType.KEY_RELEASED_FROM_NEW_ADDRESS: Described(
        "The credentials were released to an IP address that never fetched them before.",
        {**_KEY, "address": "the address that the bot called from"},
    ),
    EventType.RELEASE_REFUSED: Described(
        "A bot asked for credentials and did not get them. Of refusals that are alike, the first "
        "is an event.",
        {"code": "the problem's code"},
    ),
    EventType.BOT_ADDED: Described("A bot was added.", _BOT),
    EventType.BOT_CHANGED: Described(
        "A bot was renamed, paused or resumed.",
        {**_BOT, "paused": "whether it may open no positions", "changed": _CHANGED},
    ),
    EventType.BOT_DELETED: Described("A bot was deleted.", _BOT),
    EventType.BOT_ONLINE: Described("A bot sends heartbeats.", _BOT),
    EventType.BOT_OFFLINE: Described(
        "A bot stopped sending heartbeats. `at` is when its lease ended.", _BOT
    ),
    EventType.BOT_TOKEN_MINTED: Described("A bot has a new token; a former one is invalid.", _BOT),
    EventType.ASSIGNMENT_CHANGED: Described(
        "A key was assigned to a bot, or taken from it. A swap is two events.",
        {
            **_BOT,
            "label": "the key's label",
            "assigned": "whether the bot has the key now",
        },
    ),
    EventType.ASSET_CHANGED: Described(
        "A trading asset of a key was added, changed or removed.",
        {
            "symbol": "the exchange's symbol; absent if a margin mode changed with that of another "
            "key of the same exchange account",
            "change": "`added`, `changed` or `removed`",
            "changed": _CHANGED,
        },
    ),
    EventType.OPENING_REFUSED: Described(
        "A bot asked for a new position and was refused. Of refusals that are alike, one in a "
        "minute is an event.",
        {
            "symbol": "the exchange's symbol",
            "side": "`long` or `short`",
            "code": "the problem's code",
            "blocked_by": "all reasons, as in the problem",
        },
    ),
    EventType.POSITION_OPENED: Described("A bot reported that a position is open.", _POSITION),
    EventType.POSITION_CLOSED: Described(
        "A position was closed.",
        {**_POSITION, "reason": "as `close_reason` of the position"},
    ),
    EventType.POSITION_UNEXPECTED: Described(
        "A bot reported a position that should not have been opened, or not as it is.",
        {
            **_POSITION,
            "kind": "the kind of the event in `listBotEvents`",
            "reasons": "why it should not have been opened",
        },
    ),
    EventType.FREEZE_ADDED: Described("New positions were stopped.", _FREEZE),
    EventType.FREEZE_LIFTED: Described("A freeze was lifted.", _FREEZE),
    EventType.OPERATION_PROGRESS: Described(
        "An operation was queued, or went on. While it runs there is one such event in some "
        "seconds; its stream has each step.",
        {
            **_OPERATION,
            "status": "as in `getOperation`",
            "done": "how many rows are done",
            "total": "how many rows there are to do, as far as they are counted",
        },
    ),
    EventType.OPERATION_FINISHED: Described(
        "An operation ended.",
        {**_OPERATION, "status": "`succeeded`, `failed` or `cancelled`"},
    ),
    EventType.WEBHOOK_DISABLED: Described(
        "A webhook was deactivated, since what was sent to it did not arrive.",
        {
            "webhook_id": "the webhook",
            "reason": "`failing` or `gone`, as `disabled.reason` of the webhook",
            "host": "the host of the webhook's address",
        },
    ),
    EventType.ACCOUNT_CLOSING: Described(
        "The account is being closed. It is the last event of its stream.",
        {"operation_id": "the operation that closes the account"},
    ),
}

KEPT = (EventType.KEY_DELETED, EventType.ACCOUNT_CLOSING)
"""Types whose events a deletion of data leaves: they say that it happened, and no more."""

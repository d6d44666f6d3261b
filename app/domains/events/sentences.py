"""Events as sentences for chats, in the words of the dashboard.

Names and reasons come from users and bots: `plain` writes them, so that they are one line of
bounded length. What a chat takes for a command is made harmless by the format of that chat.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from app.domains.events.types import EventType
from botkeys.exchanges.profiles import ALL

LONGEST_WORD = 100
"""Characters of a name, a symbol or a reason that are kept."""

_MOST = 10
"""Words of a list that are kept."""

TITLES: Mapping[EventType, str] = {
    EventType.KEY_ADDED: "Key added",
    EventType.KEY_CHANGED: "Key changed",
    EventType.KEY_REPLACED: "Credentials replaced",
    EventType.KEY_DELETED: "Key deleted",
    EventType.KEY_EXPIRING: "Key expiring",
    EventType.KEY_EXPIRED: "Key expired",
    EventType.KEY_CREDENTIALS_REJECTED: "Key rejected",
    EventType.KEY_CREDENTIALS_RESTORED: "Key accepted again",
    EventType.KEY_PERMISSIONS_CHANGED: "Permissions changed",
    EventType.KEY_WITHDRAWAL_PERMISSION: "Key can withdraw",
    EventType.KEY_ADDRESS_RESTRICTION_MISSING: "Key works from any address",
    EventType.KEY_RELEASED_FROM_NEW_ADDRESS: "Released to a new address",
    EventType.RELEASE_REFUSED: "Release refused",
    EventType.BOT_ADDED: "Bot added",
    EventType.BOT_CHANGED: "Bot changed",
    EventType.BOT_DELETED: "Bot deleted",
    EventType.BOT_ONLINE: "Bot online",
    EventType.BOT_OFFLINE: "Bot offline",
    EventType.BOT_TOKEN_MINTED: "Token minted",
    EventType.ASSIGNMENT_CHANGED: "Assignment changed",
    EventType.ASSET_CHANGED: "Trading asset changed",
    EventType.OPENING_REFUSED: "Opening refused",
    EventType.POSITION_OPENED: "Position opened",
    EventType.POSITION_CLOSED: "Position closed",
    EventType.POSITION_UNEXPECTED: "Position unexpected",
    EventType.FREEZE_ADDED: "Freeze added",
    EventType.FREEZE_LIFTED: "Freeze lifted",
    EventType.OPERATION_PROGRESS: "Operation in progress",
    EventType.OPERATION_FINISHED: "Operation finished",
    EventType.WEBHOOK_DISABLED: "Webhook deactivated",
    EventType.ACCOUNT_CLOSING: "Account closing",
}
TONES: Mapping[EventType, str] = {
    EventType.KEY_EXPIRING: "warning",
    EventType.KEY_EXPIRED: "bad",
    EventType.KEY_CREDENTIALS_REJECTED: "bad",
    EventType.KEY_CREDENTIALS_RESTORED: "good",
    EventType.KEY_WITHDRAWAL_PERMISSION: "bad",
    EventType.KEY_ADDRESS_RESTRICTION_MISSING: "warning",
    EventType.KEY_RELEASED_FROM_NEW_ADDRESS: "warning",
    EventType.RELEASE_REFUSED: "warning",
    EventType.BOT_ONLINE: "good",
    EventType.OPENING_REFUSED: "warning",
    EventType.POSITION_UNEXPECTED: "warning",
    EventType.FREEZE_ADDED: "cold",
    EventType.WEBHOOK_DISABLED: "bad",
    EventType.ACCOUNT_CLOSING: "bad",
}
"""How serious an event is, where it is not plain."""

_OPERATIONS = {
    "delete_key_data": "The deletion of a key's data",
    "delete_data": "The deletion of data",
    "close_account": "The closing of the account",
    "import_trades": "The import of trades",
}
_EXCHANGES = {str(profile.exchange): profile.name for profile in ALL}
_ENDED = {"succeeded": "is done", "cancelled": "was cancelled"}


class Happened(NamedTuple):
    """The members of an event that its sentence is made of."""

    type: str
    environment: str | None
    data: Mapping[str, Any]


def plain(value: object) -> str:
    """Return a value as one line of printable text, cut to `LONGEST_WORD` characters."""
    text = "".join(letter if letter.isprintable() else " " for letter in str(value))
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_WORD else f"{text[: LONGEST_WORD - 1]}…"


def sentence(event: Happened) -> str:
    """Return an event of any type as a sentence; begins with `Testnet: ` if it is of a testnet."""
    made = _SENTENCES.get(event.type)
    text = made(event.data) if made is not None else f"{plain(event.type)}."
    return f"Testnet: {text}" if event.environment == "testnet" else text


def _key(data: Mapping[str, Any], unnamed: str = "a key") -> str:
    return f"“{plain(data['label'])}”" if "label" in data else unnamed


def _bot(data: Mapping[str, Any], unnamed: str = "a bot") -> str:
    return f"“{plain(data['name'])}”" if "name" in data else unnamed


def _the(kind: str, text: str) -> str:
    """Return `the key “label”`, or `a key` where the name is not known."""
    return text if text == f"a {kind}" else f"the {kind} {text}"


def _words(value: object) -> str:
    return plain(value).replace("_", " ")


def _exchange(data: Mapping[str, Any]) -> str:
    exchange = plain(data.get("exchange", "an exchange"))
    return _EXCHANGES.get(exchange, exchange)


def _changed(data: Mapping[str, Any]) -> str:
    names = _listed(data.get("changed"))
    return f" ({names})" if names else ""


def _listed(words: object) -> str:
    return ", ".join(_words(word) for word in words[:_MOST]) if isinstance(words, list) else ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _position(data: Mapping[str, Any]) -> str:
    return (
        f"{plain(data.get('side', ''))} position on {plain(data.get('symbol', 'a symbol'))}".strip()
    )


def _frozen(data: Mapping[str, Any]) -> str:
    if data.get("scope") == "exchange":
        return f"all keys of {_exchange(data)}"
    if data.get("scope") == "key":
        return _the("key", _key(data))
    return "the whole account"


def _operation(data: Mapping[str, Any]) -> str:
    return _OPERATIONS.get(plain(data.get("kind")), "An operation")


def _of_key(rest: str) -> "_Sentence":
    """Return what makes a sentence that begins with `The key`."""
    return lambda data: f"{_capital(_the('key', _key(data)))} {rest}"


def _of_bot(rest: str) -> "_Sentence":
    return lambda data: f"{_capital(_the('bot', _bot(data)))} {rest}"


def _added(data: Mapping[str, Any]) -> str:
    exchange = _exchange(data)
    return f"{_capital(_the('key', _key(data)))} of {exchange} was added."


def _deleted(data: Mapping[str, Any]) -> str:
    more = " with all its trading data" if data.get("associated_data") == "delete" else ""
    return f"{_capital(_the('key', _key(data)))} was deleted{more}."


def _expiring(data: Mapping[str, Any]) -> str:
    days = data.get("days", 0)
    left = "1 day" if days == 1 else f"{plain(days)} days"
    return f"{_capital(_the('key', _key(data)))} expires in {left}."


def _expired(data: Mapping[str, Any]) -> str:
    ended = _day(data.get("expires_at"))
    return f"{_capital(_the('key', _key(data)))} expired{f' on {ended}' if ended else ''}."


def _day(moment: object) -> str:
    try:
        return datetime.fromisoformat(str(moment)).date().isoformat()
    except ValueError:
        return ""


def _rejected(data: Mapping[str, Any]) -> str:
    why = f": {_words(data['reason'])}" if "reason" in data else ""
    return f"The exchange rejects {_the('key', _key(data))}{why}."


def _assignment(data: Mapping[str, Any]) -> str:
    key, bot = _capital(_the("key", _key(data))), _the("bot", _bot(data))
    return f"{key} was {'assigned to' if data.get('assigned') else 'taken from'} {bot}."


def _asset(data: Mapping[str, Any]) -> str:
    change = plain(data.get("change", "changed"))
    symbol = f" {plain(data['symbol'])}" if "symbol" in data else ""
    return f"The trading asset{symbol} of a key was {change}{_changed(data)}."


def _refused(data: Mapping[str, Any]) -> str:
    return f"A bot asked to open a {_position(data)} and was refused: {_words(data.get('code'))}."


def _closed(data: Mapping[str, Any]) -> str:
    how = " by hand" if data.get("reason") == "by_hand" else ""
    return f"The {_position(data)} of a bot was closed{how}."


def _unexpected(data: Mapping[str, Any]) -> str:
    wrong = "should not have been opened"
    if data.get("kind") != "position_unexpected":
        wrong = f"is not as it should be ({_words(data.get('kind'))})"
    reasons = _listed(data.get("reasons"))
    return f"A bot reported a {_position(data)} that {wrong}{f': {reasons}' if reasons else ''}."


def _freeze(data: Mapping[str, Any]) -> str:
    why = f": {plain(data['reason'])}" if data.get("reason") else ""
    return f"New positions on {_frozen(data)} are stopped{why}."


def _finished(data: Mapping[str, Any]) -> str:
    return f"{_operation(data)} {_ENDED.get(plain(data.get('status')), 'failed')}."


def _disabled(data: Mapping[str, Any]) -> str:
    why = "nothing has arrived for 5 days"
    if data.get("reason") == "gone":
        why = "the receiver says that it is gone"
    return f"The webhook to {plain(data.get('host', 'an address'))} was deactivated: {why}."


_Sentence = Callable[[Mapping[str, Any]], str]
_SENTENCES: Mapping[str, _Sentence] = {
    EventType.KEY_ADDED: _added,
    EventType.KEY_CHANGED: lambda data: _of_key(f"was changed{_changed(data)}.")(data),
    EventType.KEY_REPLACED: _of_key("has new credentials."),
    EventType.KEY_DELETED: _deleted,
    EventType.KEY_EXPIRING: _expiring,
    EventType.KEY_EXPIRED: _expired,
    EventType.KEY_CREDENTIALS_REJECTED: _rejected,
    EventType.KEY_CREDENTIALS_RESTORED: lambda data: (
        f"The exchange accepts {_the('key', _key(data))} again."
    ),
    EventType.KEY_PERMISSIONS_CHANGED: lambda data: (
        f"The exchange reports other permissions for {_the('key', _key(data))}."
    ),
    EventType.KEY_WITHDRAWAL_PERMISSION: _of_key(
        "can withdraw funds. Take that permission away at the exchange."
    ),
    EventType.KEY_ADDRESS_RESTRICTION_MISSING: _of_key(
        "works from any address. Restrict it at the exchange."
    ),
    EventType.KEY_RELEASED_FROM_NEW_ADDRESS: lambda data: (
        f"The credentials of {_key(data)} were released to an address that never fetched them "
        f"before: {plain(data.get('address'))}."
    ),
    EventType.RELEASE_REFUSED: lambda data: (
        f"A bot asked for credentials and did not get them: {_words(data.get('code'))}."
    ),
    EventType.BOT_ADDED: _of_bot("was added."),
    EventType.BOT_CHANGED: lambda data: _of_bot(f"was changed{_changed(data)}.")(data),
    EventType.BOT_DELETED: _of_bot("was deleted."),
    EventType.BOT_ONLINE: _of_bot("is online."),
    EventType.BOT_OFFLINE: _of_bot("is offline: it sends no heartbeats."),
    EventType.BOT_TOKEN_MINTED: _of_bot("has a new token; a former one is invalid."),
    EventType.ASSIGNMENT_CHANGED: _assignment,
    EventType.ASSET_CHANGED: _asset,
    EventType.OPENING_REFUSED: _refused,
    EventType.POSITION_OPENED: lambda data: f"A bot opened a {_position(data)}.",
    EventType.POSITION_CLOSED: _closed,
    EventType.POSITION_UNEXPECTED: _unexpected,
    EventType.FREEZE_ADDED: _freeze,
    EventType.FREEZE_LIFTED: lambda data: f"The freeze of {_frozen(data)} was lifted.",
    EventType.OPERATION_PROGRESS: lambda data: f"{_operation(data)} goes on.",
    EventType.OPERATION_FINISHED: _finished,
    EventType.WEBHOOK_DISABLED: _disabled,
    EventType.ACCOUNT_CLOSING: lambda _: "The account is being closed.",
}

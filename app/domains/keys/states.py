"""What to say of a key in one word and one sentence: the one place that decides it.

Docs/rules.md has the words in their order of precedence.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from botkeys.exchanges.advice import advice
from botkeys.exchanges.model import Environment, PermissionAnswer, RefusalReason
from botkeys.exchanges.registry import EXCHANGES

EXPIRING = timedelta(days=30)
"""How long before its expiry a key counts as expiring: as long as its first event precedes it."""

_MOST_SITUATIONS = 4096
_REASONS = {reason.value: reason for reason in RefusalReason}
_DATE = "{date}"
_NAME = "{name}"


class KeyWord(StrEnum):
    """The word for a key's state."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    EXPIRING = "expiring"
    EXPIRED = "expired"
    REJECTED = "rejected"
    READ_ONLY = "read_only"
    UNREACHABLE = "unreachable"
    FROZEN = "frozen"


class Standing(NamedTuple):
    """What decides about a key's state, except times. `frozen_by` is the widest scope of the
    freezes that apply. `expires`: whether the expiry is `past`, `near`, or neither (empty).
    `assigned` and `has_enabled_assets` change the sentence alone.
    """

    exchange: str
    environment: str
    active: bool
    awaiting_api_key: bool
    frozen_by: str | None
    status: str
    reason: str | None
    possible: tuple[str, ...]
    trade: str
    withdraw: str
    unverified: bool
    expires: str
    assigned: bool = True
    has_enabled_assets: bool = True


class Times(NamedTuple):
    """When what may be a key's state began. A member is `None` where nobody knows."""

    created_at: datetime
    frozen_since: datetime | None
    active_since: datetime | None
    verification_since: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class KeyState:
    """A key's state: `since` is `None` where it is not known."""

    word: KeyWord
    sentence: str
    since: datetime | None


class _Worded(NamedTuple):
    """A state without its time: `since` names the member of `Times` that has it."""

    word: KeyWord
    sentence: str
    since: str | None = None


def key_state(standing: Standing, times: Times, *, refuse_withdrawal: bool) -> KeyState:
    """Return the state. `refuse_withdrawal`: as for `app.domains.bots.opening_rules`."""
    word, sentence, since = _worded(standing, refuse_withdrawal=refuse_withdrawal)
    if standing.expires and times.expires_at is not None:
        date = times.expires_at.astimezone(UTC).strftime("%Y-%m-%d")
        sentence = sentence.replace(_DATE, date)
    return KeyState(word, sentence, None if since is None else getattr(times, since))


def key_word(standing: Standing, *, refuse_withdrawal: bool) -> KeyWord:
    """Return the word alone, for totals."""
    return _worded(standing, refuse_withdrawal=refuse_withdrawal).word


@lru_cache(maxsize=_MOST_SITUATIONS)
def _worded(key: Standing, *, refuse_withdrawal: bool) -> _Worded:
    """Return the first that applies: what a person did, what stops the key, what will, doubts."""
    states = _states(key, refuse_withdrawal=refuse_withdrawal)
    _, word, sentence, since = next(state for state in states if state[0])
    return _Worded(word, sentence.replace(_NAME, EXCHANGES[key.exchange].name), since)


def _states(
    key: Standing, *, refuse_withdrawal: bool
) -> tuple[tuple[bool, KeyWord, str, str | None], ...]:
    """Return every state in the order of precedence, and whether it applies; the last one does."""
    rejected = key.status == "rejected"
    stated = rejected and key.reason == RefusalReason.EXPIRED
    withdraws = refuse_withdrawal and key.withdraw == PermissionAnswer.YES
    unverified = refuse_withdrawal and key.unverified
    unclear = _UNCLEAR_REASONS.get(key.reason or "", _UNCLEAR.get(key.status, ""))
    settled = _SKIPPED if key.status == "skipped" else _ACCEPTED
    since = "verification_since"
    return (
        (key.frozen_by is not None, KeyWord.FROZEN, _FROZEN[key.frozen_by], "frozen_since"),
        (key.awaiting_api_key, KeyWord.INACTIVE, _AWAITING, "created_at"),
        (not key.active, KeyWord.INACTIVE, _INACTIVE, "active_since"),
        (key.expires == "past", KeyWord.EXPIRED, _EXPIRED, "expires_at"),
        (stated, KeyWord.EXPIRED, _refusal(key), since),
        (rejected, KeyWord.REJECTED, _refusal(key), since),
        (withdraws, KeyWord.REJECTED, _WITHDRAWS, None),
        (key.trade == PermissionAnswer.NO, KeyWord.READ_ONLY, _read_only(key), None),
        (unverified, KeyWord.INACTIVE, _UNVERIFIED, None),
        (key.expires == "near", KeyWord.EXPIRING, _EXPIRING, None),
        (key.status in _UNCLEAR, KeyWord.UNREACHABLE, unclear, since),
        (True, KeyWord.ACTIVE, f"{settled} {_next_step(key)}", None),
    )


def _next_step(key: Standing) -> str:
    if not key.has_enabled_assets:
        return "Add and enable a trading asset, so that a bot can open positions with it."
    if not key.assigned:
        return "Assign it to a bot, so that the bot can trade with it."
    return "A bot has it."


def _refusal(key: Standing) -> str:
    """Return why the exchange rejects the key, and what to do there."""
    reason = _known(key.reason)
    possible = [_known(cause) for cause in key.possible]
    return advice(key.exchange, reason, possible, Environment(key.environment))


def _read_only(key: Standing) -> str:
    """Return what the key lacks, in the exchange's own words."""
    return f"{_READS} {advice(key.exchange, RefusalReason.PERMISSION)}"


def _known(reason: str | None) -> RefusalReason:
    """Return the reason, or that none was given: a newer release may know more of them."""
    return _REASONS.get(reason or "", RefusalReason.REFUSED)


_FROZEN = {
    None: "",
    "account": "A freeze of the whole account stops new positions. Lift it when the bots may trade "
    "again.",
    "exchange": "A freeze of {name} stops new positions. Lift it when its keys may trade again.",
    "key": "A freeze of this key stops new positions. Lift it when the key may trade again.",
}
_AWAITING = (
    "The key pair waits for its API key. Register the public key at {name}, then enter the API key "
    "that it shows."
)
_INACTIVE = (
    "This key is switched off and opens no new positions. Activate it when its bot may trade again."
)
_EXPIRED = "This key expired at {name} on {date}. Create a new one there and replace credentials."
_EXPIRING = (
    "This key expires at {name} on {date}. Renew it there, or create a new one and replace "
    "credentials before then."
)
_WITHDRAWS = (
    "This key can withdraw funds from {name}, so it opens no new positions. Remove that permission "
    "there, or replace credentials with a key that may only trade."
)
_READS = "This key can read but not trade, so it opens no new positions."
_UNVERIFIED = (
    "This key was stored without asking {name} whether it can withdraw, so it opens no new "
    "positions yet. Start its bot, which finds out, or replace credentials with the check."
)
_UNCLEAR = {
    "unreachable": "{name} could not be asked about this key. Its bot checks it when it starts; "
    "look at the status page of {name} if this lasts.",
    "unknown": "{name} answered without accepting or rejecting this key. Its bot checks it again; "
    "sign in to {name} and look for a notice if this lasts.",
}
_UNCLEAR_REASONS = {
    "no_endpoint": "No host of {name} is known for this environment, so this key cannot be checked "
    "here. The operator can name one.",
    "rate_limited": "{name} was asked too often to check this key. Its bot checks it when it "
    "starts.",
    "address_refused": "A firewall or a rule about countries at {name} stopped the check of this "
    "key. Its bot checks it from its own address.",
}
_SKIPPED = "This key was stored without asking {name}; its bot checks it when it starts."
_ACCEPTED = "{name} accepts this key."

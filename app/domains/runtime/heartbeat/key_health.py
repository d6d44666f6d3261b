"""How a bot's check with its exchange changes its key, and the events that follow."""

from typing import Any

from app.db.base import AnyRow
from app.domains.bot_events.event import RecordedEvent
from app.domains.runtime.heartbeat.schemas import CredentialsReport
from app.domains.trading.errors import ClockAhead
from botkeys.exchanges.advice import advice
from botkeys.exchanges.model import Environment, PermissionAnswer

_STATUS = {"ok": "verified", "rejected": "rejected", "unknown": "unknown"}
_VERIFICATION = (
    "verification_status",
    "verification_reason",
    "verification_possible",
    "verification_code",
)
JUDGEMENT = frozenset({"verification_status", "verification_reason"})
"""The columns whose change begins another time in `verification_since`."""

_PERMISSIONS = tuple(
    f"permission_{name}" for name in ("read", "trade", "withdraw", "ip_restricted")
)

_BLOCKING = {
    "permission_withdraw": PermissionAnswer.YES,
    "permission_trade": PermissionAnswer.NO,
}
_AHEAD = (
    "The bot reported a check of its key with a time more than 5 minutes in the future. The "
    "service's own time was used instead. Correct the bot's clock."
)
_KNOWN = {PermissionAnswer.YES, PermissionAnswer.NO}


def differences(key: AnyRow, report: CredentialsReport) -> dict[str, Any]:
    """Return the columns of the key that the report changes, except the time of the check.

    What blocks new positions is taken back by an answer only: `unknown` is none, and neither is the
    refusal of the credentials. An answer about withdrawal verifies the key.
    """
    rejected, accepted = report.status == "rejected", report.status == "ok"
    if report.status == "unknown" and key.verification_status == "rejected":
        return {}
    reported: dict[str, Any] = {
        "verification_status": _STATUS[report.status],
        "verification_reason": None if accepted else report.reason,
        "verification_possible": (report.possible or None) if rejected else None,
        "verification_code": None if accepted else report.exchange_code,
    }
    if report.permissions is not None:
        permissions = {
            f"permission_{name}": answer
            for name, answer in report.permissions.model_dump(exclude_none=True).items()
        }
        for name, blocking in _BLOCKING.items():
            answer = permissions.get(name, blocking)
            silent = not accepted or answer == PermissionAnswer.UNKNOWN
            if silent and answer != blocking and getattr(key, name) == blocking:
                del permissions[name]
        reported |= permissions
        if accepted and permissions.get("permission_withdraw") in _KNOWN:
            reported["unverified"] = False
    if "expires_at" in report.model_fields_set and (accepted or report.expires_at is not None):
        reported["expires_at"] = report.expires_at
    return {name: value for name, value in reported.items() if value != getattr(key, name)}


def clock_ahead(report: CredentialsReport) -> RecordedEvent:
    """Return the event of a report whose time was replaced by the service's own."""
    reported = {"checked_at": report.checked_at.isoformat()}
    return RecordedEvent(ClockAhead.code, "warning", _AHEAD, {"reported": reported})


def events(key: AnyRow, changed: dict[str, Any]) -> list[RecordedEvent]:
    """Return the events to show the user, with the values before and after."""
    found = []
    if any(name in changed for name in _VERIFICATION):
        found.append(_verification(key, changed))
    if any(name in changed for name in _PERMISSIONS):
        found.append(_permissions(key, changed))
    if changed.get("permission_withdraw") == PermissionAnswer.YES:
        message = "The key can withdraw funds. Remove that permission at the exchange."
        found.append(
            RecordedEvent(
                "withdrawal_permission", "warning", message, _words(key, changed, _PERMISSIONS)
            )
        )
    if "expires_at" in changed:
        message = "The exchange reports a different expiry time for the key."
        found.append(
            RecordedEvent(
                "key_expiry_changed", "info", message, _words(key, changed, ("expires_at",))
            )
        )
    return found


def _verification(key: AnyRow, changed: dict[str, Any]) -> RecordedEvent:
    after = {name: changed.get(name, getattr(key, name)) for name in _VERIFICATION}
    words = _words(key, after, _VERIFICATION)
    if after["verification_status"] == "verified":
        return RecordedEvent(
            "credentials_accepted", "info", "The exchange accepts the bot's credentials.", words
        )
    if after["verification_status"] == "unknown":
        message = (
            "The exchange answered the bot's check without accepting or rejecting the credentials."
        )
        return RecordedEvent("credentials_unclear", "warning", message, words)
    sentence = advice(
        key.exchange,
        after["verification_reason"],
        after["verification_possible"] or (),
        Environment(key.environment),
    )
    return RecordedEvent("credentials_rejected", "error", sentence, words)


def _permissions(key: AnyRow, changed: dict[str, Any]) -> RecordedEvent:
    """Return the event. Learning what was unknown before is no reason to warn."""
    known = any(
        getattr(key, name) != PermissionAnswer.UNKNOWN for name in _PERMISSIONS if name in changed
    )
    return RecordedEvent(
        "permissions_changed",
        "warning" if known else "info",
        "The exchange reports different permissions for the key than before.",
        _words(key, changed, _PERMISSIONS),
    )


def _words(key: AnyRow, changed: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    shown = [name for name in names if name in changed]
    short = {name: name.removeprefix("verification_").removeprefix("permission_") for name in shown}
    return {
        "before": {short[name]: getattr(key, name) for name in shown},
        "after": {short[name]: changed[name] for name in shown},
    }

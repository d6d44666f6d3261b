"""Which events follow from what an exchange now says about a key."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from app.domains.events.log import EventLog
from app.domains.events.types import EventType

_PERMISSIONS = ("read", "trade", "withdraw", "ip_restricted")
_OF_VERIFICATION = ("status", "reason", "possible", "code")


class KeyHealth(NamedTuple):
    """What is known of a key's credentials, as the columns of `keys` have it."""

    verification: Mapping[str, Any]
    permissions: Mapping[str, str]

    @classmethod
    def of(cls, key: Any) -> "KeyHealth":
        """Return what a row of a key says, which has the columns' names."""
        return cls(
            {name: getattr(key, f"verification_{name}") for name in _OF_VERIFICATION},
            {name: str(getattr(key, f"permission_{name}")) for name in _PERMISSIONS},
        )

    def with_columns(self, changed: Mapping[str, Any]) -> "KeyHealth":
        """Return this with the columns that changed."""
        verification = {
            name: changed.get(f"verification_{name}", value)
            for name, value in self.verification.items()
        }
        permissions = {
            name: str(changed.get(f"permission_{name}", value))
            for name, value in self.permissions.items()
        }
        return KeyHealth(verification, permissions)


async def add_health_events(
    events: EventLog, before: KeyHealth | None, after: KeyHealth, **of_key: Any
) -> None:
    """Add what is new since `before`, which a key that was just added does not have.

    `of_key` are key and bot, the environment, and the data that each of these events has.
    """
    for type_, data in _news(before, after):
        await events.add(type_, **of_key, **data)


def _news(before: KeyHealth | None, after: KeyHealth) -> Iterator[tuple[EventType, dict[str, Any]]]:
    was = None if before is None else before.verification["status"]
    now = after.verification["status"]
    if now == "rejected" and (before is None or before.verification != after.verification):
        words = {name: after.verification[name] or None for name in ("reason", "possible")}
        code = after.verification["code"]
        yield EventType.KEY_CREDENTIALS_REJECTED, {**words, "exchange_code": code}
    elif was == "rejected" and now == "verified":
        yield EventType.KEY_CREDENTIALS_RESTORED, {}
    former = {} if before is None else before.permissions
    changed = [name for name in _PERMISSIONS if former.get(name) != after.permissions[name]]
    if before is not None and changed:
        yield (
            EventType.KEY_PERMISSIONS_CHANGED,
            {
                "before": {name: former[name] for name in changed},
                "after": {name: after.permissions[name] for name in changed},
            },
        )
    if "withdraw" in changed and after.permissions["withdraw"] == "yes":
        yield EventType.KEY_WITHDRAWAL_PERMISSION, {}
    if "ip_restricted" in changed and after.permissions["ip_restricted"] == "no":
        yield EventType.KEY_ADDRESS_RESTRICTION_MISSING, {}

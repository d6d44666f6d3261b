"""What a change of the configuration means for a program that does not follow it itself."""

from dataclasses import dataclass

from botkeys.client.models import BotConfig


@dataclass(frozen=True, slots=True)
class Change:
    """A change, for people. `ends`: the program has wrong credentials, or may open nothing."""

    sentence: str
    ends: bool


def changes_between(before: BotConfig, now: BotConfig) -> list[Change]:
    """Return what a program has to know, in the order in which it matters."""
    changes = [*_key_changes(before, now)]
    if before.may_open_positions and not now.may_open_positions:
        reasons = ", ".join(now.blocked_by)
        changes.append(Change(f"The bot may not open positions any more: {reasons}.", ends=True))
    elif now.may_open_positions and not before.may_open_positions:
        changes.append(Change("The bot may open positions again.", ends=False))
    elif not now.may_open_positions and before.blocked_by != now.blocked_by:
        reasons = ", ".join(now.blocked_by)
        changes.append(Change(f"The bot may not open positions: {reasons}.", ends=False))
    return changes


def _key_changes(before: BotConfig, now: BotConfig) -> list[Change]:
    if now.key is None:
        taken = before.key is not None
        return [Change("The bot's key was taken away from it.", ends=True)] if taken else []
    if before.key is None or before.key.id != now.key.id:
        return [Change("The bot got another key.", ends=True)]
    if before.key.version != now.key.version:
        return [Change("The credentials of the bot's key were replaced.", ends=True)]
    return []

"""`--expect FIELD=VALUE`: what has to be true before anything starts."""

from collections.abc import Sequence

from botkeys.client.models import BotConfig, ConfigKey
from botkeys.commands.endings import UsageFault
from botkeys.commands.run.refusals import NotAsExpected, Refused

EXPECTABLE = ("environment", "exchange", "contract_type", "label", "key_id")
"""The fields that may be expected, known before any credential is fetched."""

Expectations = tuple[tuple[str, str], ...]

_STOPPED = {
    "account_closing": "its account is being closed",
    "frozen": "trading is frozen",
    "bot_paused": "the bot is paused",
}
"""Reasons why a program that may open nothing is not started with `--expect`."""


def parse_expectations(texts: Sequence[str]) -> Expectations:
    """Read the values of `--expect`. Raises UsageFault."""
    expectations = []
    for text in texts:
        field, separator, value = text.partition("=")
        if not separator or field not in EXPECTABLE:
            raise UsageFault(
                f"--expect {text!r} is not FIELD=VALUE with one of the fields "
                f"{', '.join(EXPECTABLE)}."
            )
        expectations.append((field, value))
    return tuple(expectations)


def check_key(config: BotConfig, expectations: Expectations) -> ConfigKey:
    """Return the bot's key. Raises NotAsExpected, and Refused for a key that may not be used.

    Without expectations a bot that may open nothing starts all the same: it has exits to manage.
    """
    key = config.key
    if key is None:
        raise Refused("The bot has no key: assign one to it.", code="no_key")
    found = {
        "environment": key.environment,
        "exchange": key.exchange,
        "contract_type": key.contract_type or "",
        "label": key.label,
        "key_id": str(key.id),
    }
    for field, expected in expectations:
        if found[field] != expected:
            raise NotAsExpected(
                f"Expected is a key with {field} {expected!r}, but the bot's key has "
                f"{found[field]!r}. Nothing was started."
            )
    if "key_inactive" in config.blocked_by:
        raise Refused(
            "The bot's key is inactive: activate it. To let the bot manage its exits only, pause "
            "the bot instead.",
            code="key_inactive",
        )
    for reason, sentence in _STOPPED.items():
        if expectations and reason in config.blocked_by:
            raise Refused(
                f"Nothing was started, since {sentence}. Without --expect the program starts, to "
                "manage open positions.",
                code=reason,
            )
    return key

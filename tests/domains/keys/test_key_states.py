"""The one word and the one sentence about a key: the whole table of inputs."""

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domains.keys.states import (
    KeyWord,
    Standing,
    Times,
    key_state,
    key_word,
)
from botkeys.exchanges.model import ExchangeId, RefusalReason, UnclearReason

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
HEALTHY = Standing(
    exchange="okx",
    environment="testnet",
    active=True,
    awaiting_api_key=False,
    frozen_by=None,
    status="verified",
    reason=None,
    possible=(),
    trade="yes",
    withdraw="no",
    unverified=False,
    expires="",
)
TIMES = Times(
    created_at=NOW - timedelta(days=9),
    frozen_since=NOW - timedelta(days=1),
    active_since=NOW - timedelta(days=2),
    verification_since=NOW - timedelta(days=3),
    expires_at=NOW - timedelta(days=4),
)


@dataclass(frozen=True)
class Cause:
    """What brings a key into a state, if nothing before it in the table does."""

    word: KeyWord
    since: str | None
    changes: dict[str, Any]


TABLE = [
    Cause(KeyWord.FROZEN, "frozen_since", {"frozen_by": "account"}),
    Cause(KeyWord.INACTIVE, "created_at", {"awaiting_api_key": True}),
    Cause(KeyWord.INACTIVE, "active_since", {"active": False}),
    Cause(KeyWord.EXPIRED, "expires_at", {"expires": "past"}),
    Cause(KeyWord.REJECTED, "verification_since", {"status": "rejected", "reason": "invalid_key"}),
    Cause(KeyWord.REJECTED, None, {"withdraw": "yes"}),
    Cause(KeyWord.READ_ONLY, None, {"trade": "no"}),
    Cause(KeyWord.INACTIVE, None, {"unverified": True}),
    Cause(KeyWord.EXPIRING, None, {"expires": "near"}),
    Cause(KeyWord.UNREACHABLE, "verification_since", {"status": "unreachable"}),
]
"""The causes in the order of precedence; rule R77."""


def states_of(*causes: Cause) -> Any:
    """Return the state of a key with all of these causes, of which the first is to win."""
    standing = HEALTHY
    for cause in reversed(causes):
        standing = standing._replace(**cause.changes)
    return key_state(standing, TIMES, refuse_withdrawal=True)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_of_any_causes_the_first_of_the_table_decides(number: int) -> None:
    """Rule R77."""
    for causes in itertools.combinations(TABLE, number):
        state = states_of(*causes)
        assert state.word == causes[0].word, causes
        since = causes[0].since
        assert state.since == (None if since is None else getattr(TIMES, since)), causes


def test_every_word_is_in_the_table() -> None:
    assert {cause.word for cause in TABLE} | {KeyWord.ACTIVE} == set(KeyWord)


def test_a_key_with_nothing_to_report_is_active() -> None:
    state = key_state(HEALTHY, TIMES, refuse_withdrawal=True)

    assert (state.word, state.since) == (KeyWord.ACTIVE, None)
    assert state.sentence == "OKX accepts this key. A bot has it."


def test_an_active_key_s_sentence_names_the_next_step() -> None:
    free = HEALTHY._replace(assigned=False)
    bare = free._replace(has_enabled_assets=False)
    skipped = HEALTHY._replace(status="skipped")

    def sentence(standing: Standing) -> str:
        return key_state(standing, TIMES, refuse_withdrawal=True).sentence

    assert "Assign it to a bot" in sentence(free)
    assert "enable a trading asset" in sentence(bare)
    assert "stored without asking OKX" in sentence(skipped)


def test_a_key_that_was_not_asked_about_is_active_if_nothing_blocks_it() -> None:
    assert key_word(HEALTHY._replace(status="skipped"), refuse_withdrawal=True) == KeyWord.ACTIVE


def test_without_the_policy_a_key_that_can_withdraw_is_like_any_other() -> None:
    for changes in ({"withdraw": "yes"}, {"unverified": True}):
        standing = HEALTHY._replace(**changes)
        assert key_word(standing, refuse_withdrawal=False) == KeyWord.ACTIVE
        assert key_word(standing, refuse_withdrawal=True) != KeyWord.ACTIVE


def test_what_is_not_known_of_a_key_is_no_state() -> None:
    standing = HEALTHY._replace(trade="unknown", withdraw="unknown")
    assert key_word(standing, refuse_withdrawal=True) == KeyWord.ACTIVE


@pytest.mark.parametrize("reason", [*RefusalReason, "of_a_later_release", None])
def test_each_reason_of_a_rejection_has_its_sentence_at_each_exchange(reason: str | None) -> None:
    for exchange, environment in itertools.product(ExchangeId, ("live", "testnet")):
        standing = HEALTHY._replace(
            exchange=exchange, environment=environment, status="rejected", reason=reason
        )
        state = key_state(standing, TIMES, refuse_withdrawal=True)
        expired = reason == RefusalReason.EXPIRED
        assert state.word == (KeyWord.EXPIRED if expired else KeyWord.REJECTED)
        assert state.since == TIMES.verification_since
        assert state.sentence.endswith(".")
        assert "{" not in state.sentence


def test_a_rejection_names_every_possible_cause() -> None:
    standing = HEALTHY._replace(
        exchange="binance",
        status="rejected",
        reason="refused",
        possible=("invalid_key", "ip_not_allowed", "of_a_later_release"),
    )
    sentence = key_state(standing, TIMES, refuse_withdrawal=True).sentence

    assert "it is wrong" in sentence
    assert "trusted IPs" in sentence


@pytest.mark.parametrize("status", ["unreachable", "unknown"])
def test_a_check_without_verdict_has_a_sentence_for_each_reason(status: str) -> None:
    reasons = [*UnclearReason, "no_endpoint", "no_answer", "rate_limited", None]
    sentences = [
        key_state(
            HEALTHY._replace(status=status, reason=reason), TIMES, refuse_withdrawal=True
        ).sentence
        for reason in reasons
    ]

    assert all("OKX" in sentence and "{" not in sentence for sentence in sentences)
    assert len(set(sentences)) > 2


@pytest.mark.parametrize("cause", TABLE, ids=lambda cause: str(cause.word))
def test_every_sentence_ends_and_leaves_nothing_open(cause: Cause) -> None:
    sentence = states_of(cause).sentence

    assert sentence.endswith(".")
    assert "{" not in sentence
    assert "None" not in sentence


@pytest.mark.parametrize(("scope", "words"), [("exchange", "of OKX"), ("key", "of this key")])
def test_a_freeze_s_sentence_names_its_scope(scope: str, words: str) -> None:
    standing = HEALTHY._replace(frozen_by=scope)
    assert words in key_state(standing, TIMES, refuse_withdrawal=True).sentence


def test_a_sentence_about_an_expiry_has_its_date() -> None:
    for when in ("past", "near"):
        standing = HEALTHY._replace(expires=when)
        assert "2026-11-25" in key_state(standing, TIMES, refuse_withdrawal=True).sentence

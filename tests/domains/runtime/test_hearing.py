"""What was heard of a bot since it was read, for streams that begin with what was read already."""

from uuid import UUID

from app.domains.runtime.stream.hearing import Hearing

ACCOUNT, OTHER = UUID(int=1), UUID(int=2)
BOT = (ACCOUNT, UUID(int=11))
NEIGHBOUR = (ACCOUNT, UUID(int=12))
STRANGER = (OTHER, UUID(int=13))


def test_a_bot_is_heard_of_by_its_own_name_and_by_its_account_s() -> None:
    hearing = Hearing()
    hearing.note(*BOT, now=5)
    assert hearing.heard(BOT, since=5)
    assert not hearing.heard(BOT, since=5.1)
    assert not hearing.heard(NEIGHBOUR, since=5)
    hearing.note(ACCOUNT, None, now=6)
    assert hearing.heard(NEIGHBOUR, since=6)
    assert not hearing.heard(STRANGER, since=0)


def test_what_may_have_been_missed_concerns_everybody() -> None:
    hearing = Hearing()
    hearing.missed(7)
    assert hearing.heard(STRANGER, since=7)
    assert not hearing.heard(STRANGER, since=7.1)


def test_what_is_too_much_to_remember_counts_as_missed() -> None:
    hearing = Hearing(most=2)
    for now, name in enumerate((BOT, NEIGHBOUR, STRANGER)):
        hearing.note(*name, now=now)
    assert hearing.heard(BOT, since=2)
    assert not hearing.heard(BOT, since=2.1)

"""The bytes that are chained and sealed never change: logs of years ago must verify."""

from datetime import UTC, datetime
from uuid import UUID

from app.domains.audit.entry import FORMAT, MEMBERS, Entry, link, seal
from app.domains.audit.start import Start

KEY, PREVIOUS = bytes(range(32)), bytes(range(32, 64))
ACCOUNT = UUID("01938a5e-0000-7000-8000-000000000001")
ENTRY = Entry(
    account_id=ACCOUNT,
    sequence=7,
    id=UUID("01938a5e-0000-7000-8000-000000000002"),
    at=datetime(2026, 11, 22, 7, 42, 0, 123456, UTC),
    actor="user",
    actor_id="alice",
    action="key.add",
    outcome="allowed",
    code=None,
    target="key",
    target_id="01938a5e-0000-7000-8000-000000000003",
    environment="testnet",
    address="203.0.113.7",
    request_id="r-1",
    details={"label": "OKX paper", "exchange": "okx"},
)
LINKS = {
    # Computed by the code of the release that wrote it.
    1: "02d1df67b643ef042f525fdc61920bb4adbfdfadc9acdb4dc2027575ca630018",
    2: "1181ae21a938eb963277d40f262796c7da68bed946a1802d232b8b9f2291bff2",
}


def test_every_format_chains_the_bytes_that_it_always_did() -> None:
    """Rule R39."""
    assert {number: link(KEY, PREVIOUS, ENTRY, number).hex() for number in MEMBERS} == LINKS
    assert max(MEMBERS) == FORMAT


def test_seals_are_over_the_bytes_that_they_always_were() -> None:
    start = Start(
        account_id=ACCOUNT,
        sequence=7,
        mac=PREVIOUS,
        before=datetime(2026, 11, 1, tzinfo=UTC),
        retired_at=datetime(2026, 11, 28, 17, 30, tzinfo=UTC),
        retired_by="root@host as owner",
    )
    assert seal(KEY, ACCOUNT, 7, PREVIOUS).hex() == (
        "6db047a0449549b4c4baba689ff3a89db31980077b97b864bb867fd2f4547ee7"
    )
    assert start.seal(KEY).hex() == (
        "23ab3a5bdb7093e145ef9eb36751ca317a523c496f67b3c8f092ca594f4124cb"
    )

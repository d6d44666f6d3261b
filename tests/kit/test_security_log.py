"""What the security log writes, and that a flood does not fill a disk."""

from structlog.testing import capture_logs

from app.kit.security_log import SecurityLog
from tests.support.world import World


def test_what_is_alike_is_counted_for_a_minute() -> None:
    now = 0.0
    security = SecurityLog(lambda: now)
    with capture_logs() as lines:
        for _ in range(5):
            security.warn("token_refused", reason="expired", address="192.0.2.1")
        security.warn("token_refused", reason="expired", address="192.0.2.2")
        now = 61
        security.warn("token_refused", reason="expired", address="192.0.2.2")
    assert [(line["address"], line.get("repeated")) for line in lines] == [
        ("192.0.2.1", None),
        ("192.0.2.2", None),
        ("192.0.2.1", 4),
        ("192.0.2.2", None),
    ]


def test_a_flood_of_different_ones_is_counted_together() -> None:
    security = SecurityLog(lambda: 0)
    with capture_logs() as lines:
        for number in range(10_000):
            security.warn("token_refused", reason="expired", address=str(number))
    assert len(lines) == 1_001
    assert lines[-1]["others"]


async def test_a_refused_token_is_logged_with_its_bot_and_without_itself(world: World) -> None:
    bot, document, _ = await world.user().ready_bot()
    forged = world.user().token[:-4] + "AAAA"
    with capture_logs() as lines:
        await world.http.get("/v1/keys", headers={"Authorization": f"Bearer {bot.token}"})
        await world.http.get("/v1/keys", headers={"Authorization": f"Bearer {forged}"})
        await world.http.get("/v1/keys")
    refused = [line for line in lines if line["event"] == "token_refused"]
    assert [line["reason"] for line in refused] == ["wrong_token_kind", "bad_signature"]
    assert refused[0]["bot_id"] == document["id"]
    assert all(line["address"] for line in refused)
    assert bot.token not in repr(lines)
    assert forged not in repr(lines)

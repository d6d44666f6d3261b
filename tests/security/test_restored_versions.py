"""A bot refuses what a recovery brings back, and takes what is entered after it."""

import pytest

from botkeys.client import OlderVersion
from tests.support.split import Split

ROW = """
    UPDATE key_credentials AS now SET version = was.version, ciphertext = was.ciphertext,
        nonce = was.nonce, sealed_data_key = was.sealed_data_key
    FROM kept AS was WHERE now.account_id = was.account_id AND now.key_id = was.key_id"""


async def test_credentials_entered_after_a_recovery_are_above_all_that_a_bot_has_seen(
    split: Split,
) -> None:
    """Rule R8 lets the account confirm that it is the same at the exchange."""
    key = await split.add_key("alice", 1)
    bot = await split.add_bot("alice", key["id"])
    await split.write("CREATE TABLE kept AS SELECT * FROM key_credentials")

    async def replaced(secret: str) -> int:
        body = {
            "api_key": secret.rjust(64, "k"),
            "api_secret": secret.rjust(64, "s"),
            "verify": False,
            "confirm_same_account": True,
        }
        path = f"/v1/keys/{key['id']}/credentials"
        answer = await split.user("alice").call("PUT", path, body)
        assert answer.status_code == 200, answer.text
        version: int = answer.json()["version"]
        return version

    try:
        assert [await replaced("two"), await replaced("three")] == [2, 3]
        async with split.client(bot) as client:
            assert (await client.credentials()).api_secret.reveal().endswith("three")
            await split.write(ROW, "UPDATE keys SET version = 1")
            with pytest.raises(OlderVersion):
                await client.credentials(fresh=True)
            await split.write("INSERT INTO restorations VALUES (29000000, now(), now())")
            assert await replaced("again") == 29_000_001
            assert (await client.credentials(fresh=True)).api_secret.reveal().endswith("again")
            assert await replaced("later") == 29_000_002
    finally:
        await split.write("DROP TABLE kept", "DELETE FROM restorations")

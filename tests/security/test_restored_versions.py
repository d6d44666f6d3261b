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


async def test_a_key_pair_from_before_a_recovery_is_not_completed(split: Split) -> None:
    """A bot may have seen another API key under the version that the recovery undid."""
    user = split.user("alice")
    wanted = {
        "label": "pair",
        "exchange": "deribit",
        "environment": "testnet",
        "contract_type": "linear",
        "algorithm": "ed25519",
    }

    async def made() -> str:
        answer = await user.call("POST", "/v1/keys/pairs", wanted)
        assert answer.status_code == 201, answer.text
        return f"/v1/keys/{answer.json()['key']['id']}/credentials"

    old = await made()
    try:
        await split.write("INSERT INTO restorations VALUES (29000000, now(), now())")
        new = await made()
        refused = await user.call("PUT", old, {"api_key": "first"})
        taken = await user.call("PUT", new, {"api_key": "first"})
    finally:
        await split.write("DELETE FROM restorations")

    assert (refused.status_code, refused.json()["code"]) == (409, "key_pair_outdated")
    assert (taken.status_code, taken.json()["version"]) == (200, 29_000_001)

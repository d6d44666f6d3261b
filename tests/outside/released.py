"""Credentials and configuration of a bot as its client returns them, for any key."""

from collections.abc import Mapping
from uuid import UUID

from botkeys.client import BotConfig, Environment, ReleasedCredentials
from botkeys.client.models import ReleaseAnswer
from botkeys.exchanges.model import Credentials
from botkeys.sealing.secret import Secret

KEY_ID = UUID("0195b1c0-0000-7000-8000-0000000000aa")


def released(
    exchange: str, environment: Environment, parts: Mapping[str, str], rest: str | None
) -> ReleasedCredentials:
    passphrase = parts.get("api_passphrase")
    answer = ReleaseAnswer(
        account_id=KEY_ID,
        bot_id=KEY_ID,
        key_id=KEY_ID,
        version=1,
        exchange=exchange,
        environment=environment,
        suite="none",
        sealed_data_key="",
        nonce="",
        ciphertext="",
        endpoints={"rest": rest, "websocket": None},
    )
    credentials = Credentials(
        Secret(parts["api_key"]),
        Secret(parts["api_secret"]),
        None if passphrase is None else Secret(passphrase),
    )
    return ReleasedCredentials(answer, credentials)


def config_of(
    exchange: str, environment: Environment, contract_type: str, rest: str | None
) -> BotConfig:
    return BotConfig.model_validate(
        {
            "version": 1,
            "may_open_positions": True,
            "key": {
                "id": str(KEY_ID),
                "exchange": exchange,
                "environment": environment,
                "contract_type": contract_type,
                "version": 1,
            },
            "endpoints": {"rest": rest, "websocket": None},
        }
    )

"""The wrapper `aws-kms`. Needs `botkeys-server[aws]`, which is imported at the first use only.

Credentials and endpoint come from AWS's usual environment, files and roles.
"""

import logging
from collections.abc import Callable
from typing import Any, Protocol

from app.custody.wrapping.wrapped import SeedBinding, WrappedSeed, WrapperFailed
from botkeys.sealing.boxes import SecretBytes
from botkeys.sealing.suites import SEED_BYTES

_CONNECT_SECONDS = 3
_READ_SECONDS = 5
_TEMPORARY = frozenset(
    {
        "DependencyTimeoutException",
        "KMSInternalException",
        "KeyUnavailableException",
        "LimitExceededException",
        "ServiceUnavailableException",
        "ThrottlingException",
    }
)


class KmsClient(Protocol):
    """The two calls of botocore's client."""

    def encrypt(self, **arguments: Any) -> dict[str, Any]: ...

    def decrypt(self, **arguments: Any) -> dict[str, Any]: ...


class KmsWrapper:
    def __init__(self, client: Callable[[str], KmsClient] | None = None) -> None:
        self._client = client or _client

    def wrap(self, seed: SecretBytes, names: tuple[str, ...], binding: SeedBinding) -> bytes:
        region, key = names
        client = self._client(region)
        answer = _called(
            lambda: client.encrypt(
                KeyId=key, Plaintext=bytes(seed.reveal()), EncryptionContext=binding.context
            )
        )
        return bytes(answer["CiphertextBlob"])

    def unwrap(self, wrapped: WrappedSeed) -> SecretBytes:
        region, key = wrapped.wrapping.names
        client = self._client(region)
        answer = _called(
            lambda: client.decrypt(
                KeyId=key,
                CiphertextBlob=wrapped.content,
                EncryptionContext=wrapped.binding.context,
            )
        )
        seed = SecretBytes(answer["Plaintext"])
        if len(seed.reveal()) != SEED_BYTES:
            length = len(seed.reveal())
            seed.wipe()
            raise WrapperFailed(f"AWS KMS unwrapped {length} bytes instead of {SEED_BYTES}.")
        return seed


def _client(region: str) -> KmsClient:
    try:
        from botocore.config import Config  # noqa: PLC0415  # heavy, and only for wrapped keys
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415
        from botocore.session import get_session  # noqa: PLC0415
    except ModuleNotFoundError:
        raise WrapperFailed("AWS KMS needs botkeys-server[aws], which is not installed.") from None
    # At the level debug it logs the bodies of answers.
    logging.getLogger("botocore").setLevel(logging.WARNING)
    options = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"total_max_attempts": 1},
    )
    try:
        client: KmsClient = get_session().create_client("kms", region_name=region, config=options)
    except BotoCoreError as error:
        raise WrapperFailed(f"AWS KMS cannot be called ({type(error).__name__}).") from None
    return client


def _called(call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the answer; botocore's errors become sentences without its text."""
    try:
        return call()
    except Exception as error:
        response = getattr(error, "response", None)
        if isinstance(response, dict):
            code = str(response.get("Error", {}).get("Code", "an error"))
            sentence = f"AWS KMS answered {code}."
            temporary = code in _TEMPORARY
        elif type(error).__module__.partition(".")[0] == "botocore":
            sentence = f"AWS KMS does not answer ({type(error).__name__})."
            temporary = "Credentials" not in type(error).__name__
        else:
            raise
    raise WrapperFailed(sentence, temporary=temporary)

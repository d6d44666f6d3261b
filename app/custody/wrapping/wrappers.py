"""The wrappers that the settings configure, with a second and third try."""

import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from app.custody.master_key import MasterPrivateKey
from app.custody.wrapping.command import CommandWrapper
from app.custody.wrapping.kms import KmsWrapper
from app.custody.wrapping.transit import TransitWrapper, VaultLogin, VaultServer
from app.custody.wrapping.wrapped import (
    How,
    SeedBinding,
    SeedWrapper,
    WrappedSeed,
    WrapperFailed,
    Wrapping,
)
from app.settings import Settings
from botkeys.sealing.boxes import SecretBytes

PAUSES = (0.5, 1.5)
"""Seconds before the second and the third try of a call that failed for a passing reason."""

log = structlog.get_logger("botkeys.keys")
_Result = TypeVar("_Result")


class Wrappers:
    def __init__(self, settings: Settings) -> None:
        self._wrappers: dict[How, SeedWrapper] = {
            How.COMMAND: CommandWrapper(settings.unwrap_command, settings.wrap_command),
            How.VAULT_TRANSIT: TransitWrapper(_vault(settings)),
            How.AWS_KMS: KmsWrapper(),
        }

    def unwrap(self, wrapped: WrappedSeed) -> SecretBytes:
        """Return the seed, which the caller wipes; raise `WrapperFailed`."""
        wrapper = self._wrappers[wrapped.wrapping.how]
        return _repeated(lambda: wrapper.unwrap(wrapped))

    def wrap(self, seed: SecretBytes, wrapping: Wrapping, binding: SeedBinding) -> WrappedSeed:
        """Return the wrapped seed once unwrapping it has given the same key.

        Raises `WrapperFailed`.
        """
        wrapper = self._wrappers[wrapping.how]
        content = _repeated(lambda: wrapper.wrap(seed, wrapping.names, binding))
        wrapped = WrappedSeed(wrapping, binding, content)
        with self.unwrap(wrapped) as unwrapped:
            key = MasterPrivateKey(binding.version, unwrapped.reveal())
        if key.fingerprint != binding.fingerprint:
            raise WrapperFailed("What was wrapped unwraps to another key. Nothing was changed.")
        return wrapped


def _repeated(call: Callable[[], _Result]) -> _Result:
    for pause in (*PAUSES, None):
        try:
            return call()
        except WrapperFailed as error:
            # A new error, whose traceback has no frames that hold what was sent.
            failure = WrapperFailed(str(error), temporary=error.temporary)
        if pause is None or not failure.temporary:
            break
        log.warning("master_key_wrapper_failed", detail=str(failure), again_in=pause)
        time.sleep(pause)
    raise failure


def _vault(settings: Settings) -> VaultServer | None:
    if settings.vault_addr is None:
        return None
    token, secret_id = settings.vault_token, settings.vault_secret_id
    login = VaultLogin(
        token=token.get_secret_value() if token else None,
        kubernetes_role=settings.vault_role,
        kubernetes_token=settings.vault_jwt_path,
        role_id=settings.vault_role_id,
        secret_id=secret_id.get_secret_value() if secret_id else None,
        mount=settings.vault_auth_mount,
    )
    return VaultServer(settings.vault_addr, login, settings.vault_namespace, settings.ca_file)

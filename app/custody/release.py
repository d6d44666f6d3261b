"""Release of data keys by the role `runtime`: open one, reseal it for a bot or a newer master key.

It never receives a ciphertext. The code that decrypts credentials is in `botkeys.client` and runs
inside the bot.
"""

from collections.abc import Mapping
from typing import final
from uuid import UUID

from app.custody.errors import UnknownMasterKey
from app.custody.master_key import MasterPrivateKey
from botkeys.sealing.binding import Binding
from botkeys.sealing.boxes import Uncopyable, wipe
from botkeys.sealing.suites import PublicKey


@final
class Releaser(Uncopyable):
    """Reseals data keys with the master private keys, which it holds by version."""

    __slots__ = ("_keys",)

    def __init__(self, master_private_keys: Mapping[int, MasterPrivateKey]) -> None:
        self._keys = dict(master_private_keys)

    @property
    def versions(self) -> tuple[int, ...]:
        return tuple(sorted(self._keys))

    @property
    def fingerprints(self) -> dict[int, str]:
        """Return the fingerprints of the master keys' public halves, by version."""
        return {version: key.fingerprint for version, key in self._keys.items()}

    def without(self, keys: Mapping[int, str]) -> "Releaser":
        """Return a releaser without these keys, named by version and fingerprint."""
        return Releaser(
            {
                version: key
                for version, key in self._keys.items()
                if keys.get(version) != key.fingerprint
            }
        )

    def release(
        self,
        *,
        sealed_data_key: bytes,
        master_key_version: int,
        binding: Binding,
        bot_id: UUID,
        recipient: PublicKey,
    ) -> bytes:
        """Return the data key sealed to a bot's one-time key: enc ‖ ciphertext of its suite.

        Raises UnknownMasterKey and CannotOpen. An invalid recipient cannot become a `PublicKey`, so
        it is rejected before anything is opened.
        """
        data_key = self._open(sealed_data_key, master_key_version, binding)
        try:
            return recipient.seal(data_key, binding.release_info(bot_id))
        finally:
            wipe(data_key)

    def reseal(
        self, sealed_data_key: bytes, from_version: int, to_version: int, binding: Binding
    ) -> bytes:
        """Return the data key sealed to another master key; raise UnknownMasterKey, CannotOpen.

        A data key that is sealed to it already is returned unchanged.
        """
        target = self._keys.get(to_version)
        if target is None:
            raise UnknownMasterKey(to_version)
        if from_version == to_version:
            return sealed_data_key
        data_key = self._open(sealed_data_key, from_version, binding)
        try:
            return target.public.seal(data_key, binding.data_key_info(to_version))
        finally:
            wipe(data_key)

    def _open(self, sealed_data_key: bytes, version: int, binding: Binding) -> bytearray:
        master = self._keys.get(version)
        if master is None:
            raise UnknownMasterKey(version)
        return master.open(sealed_data_key, binding.data_key_info(version))

"""Sealing of credentials by the role `api`. Nothing in this module opens anything."""

import json
import secrets
from dataclasses import dataclass
from typing import final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.custody.master_key import MasterPublicKey
from botkeys.exchanges.model import Credentials
from botkeys.sealing.binding import Binding
from botkeys.sealing.boxes import Uncopyable, wipe
from botkeys.sealing.secret import Secret

DATA_KEY_BYTES = 32
NONCE_BYTES = 12


@dataclass(frozen=True, slots=True, repr=False)
class Sealed:
    """The columns of one key version.

    `ciphertext` ends with the 16-byte tag, `nonce` has 12 bytes, `sealed_data_key` is enc ‖
    ciphertext of HPKE (1168 bytes) under master key `master_key_version`.
    """

    ciphertext: bytes
    nonce: bytes
    sealed_data_key: bytes
    master_key_version: int


@final
class Sealer(Uncopyable):
    """Seals to one master public key. It holds no key that opens, and has no method that does."""

    __slots__ = ("_master",)

    def __init__(self, master_public: MasterPublicKey) -> None:
        self._master = master_public

    @property
    def master_key_version(self) -> int:
        return self._master.version

    @property
    def fingerprint(self) -> str:
        """Return the fingerprint of the master public key."""
        return self._master.fingerprint

    def seal(self, credentials: Credentials, binding: Binding) -> Sealed:
        """Seal credentials under a new data key, and that key under the master public key."""
        return self._seal(_plaintext(credentials), binding)

    def seal_private_half(self, private_half: Secret, binding: Binding) -> Sealed:
        """Seal the private half of a key pair, whose API key is not known yet."""
        return self._seal(_text({"api_secret": private_half.reveal()}), binding)

    def seal_api_key(self, api_key: Secret, binding: Binding) -> Sealed:
        """Seal the API key of a pair with its own data key: nobody here can open the pair's."""
        return self._seal(_text({"api_key": api_key.reveal()}), binding.of_api_key())

    def _seal(self, plaintext: bytearray, binding: Binding) -> Sealed:
        nonce = secrets.token_bytes(NONCE_BYTES)
        data_key = bytearray(secrets.token_bytes(DATA_KEY_BYTES))
        try:
            return Sealed(
                ciphertext=AESGCM(data_key).encrypt(nonce, plaintext, binding.seal_data()),
                nonce=nonce,
                sealed_data_key=self._master.seal(
                    data_key, binding.data_key_info(self._master.version)
                ),
                master_key_version=self._master.version,
            )
        finally:
            wipe(data_key)
            wipe(plaintext)


def _plaintext(credentials: Credentials) -> bytearray:
    fields = {
        "api_key": credentials.api_key.reveal(),
        "api_secret": credentials.api_secret.reveal(),
    }
    if credentials.api_passphrase is not None:
        fields["api_passphrase"] = credentials.api_passphrase.reveal()
    return _text(fields)


def _text(fields: dict[str, str]) -> bytearray:
    # ASCII with escapes: text without a UTF-8 form would raise an error that quotes it whole.
    return bytearray(json.dumps(fields, separators=(",", ":")).encode("ascii"))

"""The only code of this project that opens credentials. It runs inside the bot."""

import json
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from botkeys.client.errors import CannotOpen, MalformedAnswer
from botkeys.client.models import ReleaseAnswer, SealedApiKey
from botkeys.exchanges.model import Credentials
from botkeys.sealing import errors as sealing_errors
from botkeys.sealing.binding import Binding
from botkeys.sealing.boxes import SecretBytes
from botkeys.sealing.secret import Secret
from botkeys.sealing.suites import PrivateKey

_NONCE_BYTES = 12
_DATA_KEY_BYTES = 32


def open_release(one_time_key: PrivateKey, answer: ReleaseAnswer) -> Credentials:
    """Return the credentials. Raises CannotOpen, or MalformedAnswer for any other content.

    The caller has compared the answer's ids with its own; both layers are bound to all of them.
    """
    binding = Binding(
        account_id=answer.account_id,
        key_id=answer.key_id,
        version=answer.version,
        exchange=answer.exchange,
        environment=answer.environment,
    )
    plaintext = _decrypt(one_time_key, answer, answer.bot_id, binding)
    if plaintext is None:
        raise CannotOpen
    with plaintext:
        apart = answer.sealed_api_key
        if apart is None:
            credentials = _parse(plaintext)
        else:
            api_key = _decrypt(one_time_key, apart, answer.bot_id, binding.of_api_key())
            if api_key is None:
                raise CannotOpen
            with api_key:
                credentials = _join(plaintext, api_key)
    if credentials is None:
        raise MalformedAnswer("The sealed content was opened, but does not contain credentials.")
    return credentials


# The functions below hold plaintext in local variables, so neither raises: errors come from the
# function above, whose frame holds boxes only.


def _decrypt(
    one_time_key: PrivateKey,
    sealed: ReleaseAnswer | SealedApiKey,
    bot_id: UUID,
    binding: Binding,
) -> SecretBytes | None:
    try:
        opened = one_time_key.open(sealed.sealed_data_key, binding.release_info(bot_id))
    except (sealing_errors.CannotOpen, ValueError):
        return None
    with SecretBytes(opened) as data_key:
        opened[:] = bytes(len(opened))
        if len(data_key.reveal()) != _DATA_KEY_BYTES or len(sealed.nonce) != _NONCE_BYTES:
            return None
        try:
            return SecretBytes(
                AESGCM(data_key.reveal()).decrypt(
                    sealed.nonce, sealed.ciphertext, binding.seal_data()
                )
            )
        except InvalidTag:
            return None


def _parse(plaintext: SecretBytes) -> Credentials | None:
    fields = _fields(plaintext)
    if fields is None:
        return None
    key, secret = fields.get("api_key"), fields.get("api_secret")
    passphrase = fields.get("api_passphrase")
    if not isinstance(key, str) or not isinstance(secret, str):
        return None
    if passphrase is not None and not isinstance(passphrase, str):
        return None
    return Credentials(
        Secret(key), Secret(secret), None if passphrase is None else Secret(passphrase)
    )


def _join(private_half: SecretBytes, api_key: SecretBytes) -> Credentials | None:
    """Return the credentials of a key pair. Each part holds one member and no other."""
    secret, key = _fields(private_half), _fields(api_key)
    if secret is None or secret.keys() != {"api_secret"}:
        return None
    if key is None or key.keys() != {"api_key"}:
        return None
    if not isinstance(secret["api_secret"], str) or not isinstance(key["api_key"], str):
        return None
    return Credentials(Secret(key["api_key"]), Secret(secret["api_secret"]))


def _fields(plaintext: SecretBytes) -> dict[str, Any] | None:
    try:
        fields: Any = json.loads(plaintext.reveal())
    except (ValueError, RecursionError):
        # json's error carries the whole text: it must not escape, not even as a context.
        return None
    return fields if isinstance(fields, dict) else None

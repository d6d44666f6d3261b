"""What protects webhooks: their addresses are encrypted, and their secrets derived, with one key.

Nothing that signs is stored: a webhook's secrets follow from the key file `webhook-key`, the
webhook and the version of its secret. The roles that hold the file are api, which shows a secret
once, and the worker that sends. Both signatures are those of Standard Webhooks 1.0.
"""

import hashlib
import hmac
import os
from base64 import b64encode
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from botkeys.sealing.binding import encode
from botkeys.sealing.boxes import SecretBytes
from botkeys.sealing.errors import CannotOpen
from botkeys.sealing.secret import Secret

URL_LABEL = "botkeys/webhook-url/1"
HMAC_LABEL = "botkeys/webhook-hmac/1"
ED25519_LABEL = "botkeys/webhook-ed25519/1"

_NONCE_BYTES = 12


class WebhookKeys:
    """The key file's content in use. `account_id` and `webhook_id` bind all that it makes."""

    def __init__(self, key: SecretBytes) -> None:
        self._key = key

    def seal_url(self, account_id: UUID, webhook_id: UUID, url: str) -> bytes:
        """Encrypt an address (AES-256-GCM, the nonce first)."""
        nonce = os.urandom(_NONCE_BYTES)
        place = encode(URL_LABEL, str(account_id), str(webhook_id))
        return nonce + self._cipher().encrypt(nonce, url.encode(), place)

    def open_url(self, account_id: UUID, webhook_id: UUID, sealed: bytes) -> str:
        """Return the address; raise CannotOpen if it is another webhook's, or another key's."""
        place = encode(URL_LABEL, str(account_id), str(webhook_id))
        try:
            opened = self._cipher().decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place)
        except (InvalidTag, ValueError):
            raise CannotOpen from None
        return opened.decode()

    def secret(self, account_id: UUID, webhook_id: UUID, version: int) -> Secret:
        """Return the symmetric secret as its owner gets it: `whsec_` and base64 of 32 bytes."""
        derived = self._derived(HMAC_LABEL, account_id, webhook_id, version)
        return Secret(f"whsec_{b64encode(derived).decode()}")

    def public_key(self, account_id: UUID, webhook_id: UUID, version: int) -> str:
        """Return the public key as its owner gets it: `whpk_` and base64 of 32 bytes."""
        public = self._private(account_id, webhook_id, version).public_key()
        return f"whpk_{b64encode(public.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()}"

    def signatures(
        self, account_id: UUID, webhook_id: UUID, version: int, content: bytes
    ) -> list[str]:
        """Return both signatures of `<id>.<timestamp>.<body>`, as the header has them."""
        derived = self._derived(HMAC_LABEL, account_id, webhook_id, version)
        symmetric = hmac.digest(derived, content, hashlib.sha256)
        asymmetric = self._private(account_id, webhook_id, version).sign(content)
        return [f"v1,{b64encode(symmetric).decode()}", f"v1a,{b64encode(asymmetric).decode()}"]

    def _private(self, account_id: UUID, webhook_id: UUID, version: int) -> Ed25519PrivateKey:
        seed = self._derived(ED25519_LABEL, account_id, webhook_id, version)
        return Ed25519PrivateKey.from_private_bytes(seed)

    def _cipher(self) -> AESGCM:
        return AESGCM(hmac.digest(self._key.reveal(), encode(URL_LABEL), hashlib.sha256))

    def _derived(self, label: str, account_id: UUID, webhook_id: UUID, version: int) -> bytes:
        place = encode(label, str(account_id), str(webhook_id), str(version))
        return hmac.digest(self._key.reveal(), place, hashlib.sha256)

"""Keyed hashes that find duplicates without decrypting, and the masks shown in lists."""

import hashlib
import hmac

from botkeys.exchanges.model import Environment
from botkeys.sealing.binding import encode
from botkeys.sealing.boxes import SecretBytes
from botkeys.sealing.secret import Secret

API_KEY_LABEL = "botkeys/fingerprint/1"
EXCHANGE_ACCOUNT_LABEL = "botkeys/exchange-account/1"

_MOST_SHOWN_AT_AN_END = 4
_PART_SHOWN_AT_AN_END = 6  # one sixth at each end: a third of the key at most


def fingerprint(
    hmac_key: SecretBytes, exchange: str, environment: Environment, api_key: Secret
) -> bytes:
    """Return an HMAC-SHA256 (32 bytes), equal for equal API keys of an exchange and environment."""
    return _keyed_hash(hmac_key, API_KEY_LABEL, exchange, environment, api_key.reveal())


def account_hash(
    hmac_key: SecretBytes, exchange: str, environment: Environment, exchange_account: str
) -> bytes:
    """Return the keyed hash of the exchange's own account id.

    It shows whether a replacement key belongs to the same exchange account.
    """
    return _keyed_hash(hmac_key, EXCHANGE_ACCOUNT_LABEL, exchange, environment, exchange_account)


def mask(api_key: Secret) -> str:
    """Return the ends of an API key around an ellipsis, at most a third of the key.

    | length   | shown | length   | shown |
    | -------- | ----- | -------- | ----- |
    | 0 to 5   | 0 + 0 | 18 to 23 | 3 + 3 |
    | 6 to 11  | 1 + 1 | 24 and more | 4 + 4 |
    | 12 to 17 | 2 + 2 | | |
    """
    text = api_key.reveal()
    shown = min(_MOST_SHOWN_AT_AN_END, len(text) // _PART_SHOWN_AT_AN_END)
    return f"{text[:shown]}…{text[len(text) - shown :]}"


def _keyed_hash(hmac_key: SecretBytes, label: str, *fields: str) -> bytes:
    return hmac.new(hmac_key.reveal(), encode(label, *fields), hashlib.sha256).digest()

"""What is derived from the key of webhooks: bound to account, webhook and version."""

from base64 import b64decode
from itertools import product
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from app.custody.webhook_keys import WebhookKeys
from botkeys.sealing.boxes import SecretBytes
from botkeys.sealing.errors import CannotOpen

ACCOUNT, OTHER = UUID(int=1), UUID(int=2)
WEBHOOK, SECOND = UUID(int=3), UUID(int=4)
URL = "https://hooks.slack.com/services/T0/B0/planted"


@pytest.fixture
def keys() -> WebhookKeys:
    return WebhookKeys(SecretBytes(bytes(range(32))))


def test_an_address_opens_for_its_webhook_alone(keys: WebhookKeys) -> None:
    """Rule R84."""
    sealed = keys.seal_url(ACCOUNT, WEBHOOK, URL)
    assert keys.open_url(ACCOUNT, WEBHOOK, sealed) == URL
    assert b"slack" not in sealed
    assert sealed != keys.seal_url(ACCOUNT, WEBHOOK, URL)
    for account, webhook in ((OTHER, WEBHOOK), (ACCOUNT, SECOND)):
        with pytest.raises(CannotOpen):
            keys.open_url(account, webhook, sealed)
    altered = (sealed[:-1] + bytes([sealed[-1] ^ 1]), sealed[1:], b"", sealed[:12])
    for broken in altered:
        with pytest.raises(CannotOpen):
            keys.open_url(ACCOUNT, WEBHOOK, broken)
    with pytest.raises(CannotOpen):
        WebhookKeys(SecretBytes(bytes(32))).open_url(ACCOUNT, WEBHOOK, sealed)


def test_each_webhook_and_version_has_secrets_of_its_own(keys: WebhookKeys) -> None:
    """Rule R85."""
    places = list(product((ACCOUNT, OTHER), (WEBHOOK, SECOND), (1, 2)))
    secrets = {keys.secret(*place).reveal() for place in places}
    public = {keys.public_key(*place) for place in places}
    assert len(secrets) == len(public) == len(places)
    assert keys.secret(*places[0]).reveal() in secrets
    elsewhere = WebhookKeys(SecretBytes(bytes(32)))
    assert elsewhere.secret(*places[0]).reveal() not in secrets
    assert elsewhere.public_key(*places[0]) not in public


def test_derived_secrets_stay_what_they_are(keys: WebhookKeys) -> None:
    """They are not stored: a change of how they are derived would end every receiver's secret."""
    secret = keys.secret(ACCOUNT, WEBHOOK, 1).reveal()
    assert secret == "whsec_ChQJxQl35vlVKLDxlyJA2vTVoUxkfEhQvoPaJnCEogA="
    assert (
        keys.public_key(ACCOUNT, WEBHOOK, 1) == "whpk_4ak67pN0S8kfRejT4ejXz4dBD064SoyDBtw7wQPeEnw="
    )
    assert len(b64decode(secret.removeprefix("whsec_"), validate=True)) == 32


def test_the_shown_public_key_verifies(keys: WebhookKeys) -> None:
    """Rule R85."""
    content = b"msg.1.{}"
    symmetric, asymmetric = keys.signatures(ACCOUNT, WEBHOOK, 1, content)
    assert symmetric.startswith("v1,")
    shown = b64decode(keys.public_key(ACCOUNT, WEBHOOK, 1).removeprefix("whpk_"), validate=True)
    signature = b64decode(asymmetric.removeprefix("v1a,"), validate=True)
    Ed25519PublicKey.from_public_bytes(shown).verify(signature, content)

"""The keys that a process of each role holds, apart from that of the audit log, which all hold."""

from dataclasses import dataclass

from app.custody.keyring import ReleasingKeyring, SealingKeyring
from app.custody.webhook_keys import WebhookKeys
from botkeys.sealing.boxes import SecretBytes


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """What the role `api` holds: a key to seal with, and one to find duplicates by.

    `webhooks` is `None` in an installation from before there were webhooks, until it gets the file.
    """

    sealing: SealingKeyring
    fingerprint: SecretBytes
    webhooks: WebhookKeys | None = None


@dataclass(frozen=True, slots=True)
class RuntimeKeys:
    """What the role `runtime` holds: the master private keys, and the key of bot tokens."""

    releasing: ReleasingKeyring
    token: SecretBytes
